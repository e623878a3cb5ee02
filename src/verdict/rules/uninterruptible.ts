import { weakest } from '../confidence.ts';
import type { Evidence } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import type { Confidence, JudgedThread } from '../thread.ts';
import { victimsOf, type WaitGraph } from '../wait-graph.ts';
import {
  alikeThreads,
  enumerate,
  evidenceOf,
  finding,
  named,
  places,
  type Rule,
  rootOf,
  sampledEvidence,
  stops,
} from './rule.ts';

/**
 * Threads that the kernel lets wait where no signal reaches them (state D): for a disk, a network file system, a driver.
 * By /proc's samples: each of them says so, and none shows that the thread went on in between. Those that came there
 * from one function are one finding.
 */
export const uninterruptible: Rule = graph =>
  alikeThreads(
    [...graph.threads.values()].filter(isUninterruptible).map(thread => ({ thread, confidence: confidenceOf(thread) })),
  ).map(group => fromGroup(graph, group));

interface Asleep {
  readonly thread: JudgedThread;
  readonly confidence: Confidence;
}

function fromGroup(graph: WaitGraph, group: readonly Asleep[]): Finding {
  const asleep = group.map(({ thread }) => thread);
  const roots = asleep.map(rootOf);
  const victims = victimsOf(graph, roots);
  const one = group.length === 1;
  const where = enumerate([...new Set(asleep.map(callOf))].filter(Boolean));
  return finding('uninterruptible', {
    confidence: weakest(group.map(({ confidence }) => confidence)),
    summary: `${named(asleep)} ${one ? 'is' : 'are'} in uninterruptible sleep in the kernel${where === '' ? '' : `: ${where}`}${asleep.some(hasStack) ? `, called from ${places(roots)}` : ''}${stops(victims, roots)}`,
    roots,
    victims,
    evidence: asleep.flatMap(thread => [
      ...evidenceOf(thread, [...kernelEvidence(thread), ...(thread.waits?.evidence ?? [])]),
      ...sampledEvidence(thread),
    ]),
    next: `look at what the kernel waits for: ${enumerate([...new Set(asleep.map(whatToAsk))])}; as long as it waits no debugger and, as a rule, no signal gets through`,
  });
}

/** Whether a thread was in uninterruptible sleep whenever it was looked at, and did not go on meanwhile. */
export function isUninterruptible({ states, moved }: Pick<JudgedThread, 'states' | 'moved'>): boolean {
  return states.length > 0 && moved !== true && states.every(state => state === 'uninterruptible');
}

const enoughSamples = 3;

/** A disk that works gives this state too, for a moment: one look says little. */
function confidenceOf({ states, moved }: JudgedThread): Confidence {
  if (states.length < 2) return 'suspected';
  return states.length >= enoughSamples && moved === false ? 'proven' : 'likely';
}

function hasStack({ python, native }: JudgedThread): boolean {
  return python.length > 0 || native.length > 0;
}

/** `kernel_clone (system call vfork)`, as far as it is known. */
function callOf({ wchan, kernelStack = [], waits }: JudgedThread): string {
  const inside = wchan ?? kernelStack[0];
  const fd = waits?.fd === undefined ? '' : ` on descriptor ${waits.fd}`;
  const peer = waits?.peer === undefined ? '' : `, ${waits.peer}`;
  const call = waits?.syscall === undefined ? '' : `(system call ${waits.syscall}${fd}${peer})`;
  return [inside, call].filter(Boolean).join(' ');
}

/** Outer ones are the same for every call. */
const shownFrames = 6;

function kernelEvidence({ wchan, kernelStack = [], states }: JudgedThread): readonly Evidence[] {
  const stack = kernelStack.slice(0, shownFrames);
  return [
    {
      text: `in uninterruptible sleep (D) in ${states.length === 1 ? 'the only sample' : `each of ${states.length} samples`} of /proc`,
    },
    ...(wchan === undefined ? [] : [{ text: `wchan is ${wchan}` }]),
    ...(stack.length === 0 ? [] : [{ text: `kernel stack: ${stack.join(' < ')}` }]),
  ];
}

/** What a kernel function or its callers belong to, by how Linux names them (fs/, block/, kernel/fork.c). */
const areas: readonly { readonly name: RegExp; readonly ask: string }[] = [
  { name: /^(?:nfs|rpc_|__rpc|xprt|nlm|nfs4)/, ask: 'the NFS server and the way to it' },
  { name: /^(?:cifs|smb2?_|SMB)/, ask: 'the SMB server and the way to it' },
  { name: /^(?:fuse_|__fuse)/, ask: 'the process that serves the FUSE file system' },
  { name: /^(?:ceph|rbd_)/, ask: 'the Ceph cluster' },
  {
    name: /^(?:vfork|__do_sys_vfork|__x64_sys_vfork|wait_for_vfork_done)/,
    ask: 'the child process that it made with vfork(2) and that has not called exec',
  },
  {
    name: /^(?:percpu_rwsem|sb_start_write|__sb_start_write|freeze)/,
    ask: 'who froze the file system (fsfreeze, a snapshot)',
  },
  {
    name: /^(?:ext4|xfs|btrfs|jbd2|f2fs|blk_|bio_|submit_bio|io_schedule|wait_on_page|folio_wait|dm_|md_|scsi)/,
    ask: 'the disk (dmesg, iostat)',
  },
];

function whatToAsk({ kernelStack = [], wchan, waits }: JudgedThread): string {
  const names = [...(wchan === undefined ? [] : [wchan]), ...kernelStack];
  const area = areas.find(({ name }) => names.some(called => name.test(called)));
  const file = waits?.peer === undefined ? '' : ` of ${waits.peer}`;
  return area === undefined ? `the disk or file server${file} (dmesg)` : area.ask;
}

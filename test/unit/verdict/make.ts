import type { CoreThread } from '../../../src/corefile/core.ts';
import type { ProcessEvidence, ThreadEvidence } from '../../../src/host/evidence.ts';
import type { NativeFrame, NativeThread } from '../../../src/native/stacks.ts';
import type { HeldLock, PythonFrame, PythonProcess, PythonThread, PythonWait } from '../../../src/python/process.ts';
import type { JudgeInput } from '../../../src/verdict/judge-input.ts';

/** Values as the rooms below make them, with what a test does not care for filled in. */

export const stdlib = '/usr/lib/python3.11';

/** `FILE:LINE function`, e.g. `shop.py:9 count_orders`; `entry` as before 3.11. */
export function frame(text: string, entry = true): PythonFrame {
  const [place = '', name = ''] = text.split(' ');
  const colon = place.lastIndexOf(':');
  const line = Number(place.slice(colon + 1));
  return { address: 0x1000n, code: 0x2000n, function: name, file: place.slice(0, colon), line, firstLine: line, entry };
}

export const call = (name: string, ...args: bigint[]): NonNullable<CoreThread['syscall']> => ({
  number: 0,
  name,
  args: [...args, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6),
});
/** FUTEX_WAIT_PRIVATE without a limit, as sem_wait and pthread_mutex_lock make it. */
export const futex = (address = 0x7000n) => call('futex', address, 128n);

export interface ThreadDraft {
  readonly lwp: number;
  /** Innermost first; absent: no Python thread state. */
  readonly frames?: readonly PythonFrame[];
  /** Absent: executing. */
  readonly syscall?: CoreThread['syscall'];
  readonly waits?: {
    readonly address: bigint;
    readonly kind?: PythonWait['kind'];
    readonly ownerThreadId?: bigint;
    readonly module?: string;
    readonly ownerAbsent?: boolean;
    readonly timeoutSeconds?: number;
    readonly queuedIn?: bigint;
    readonly permits?: NonNullable<PythonWait['permits']>;
    readonly ownerConfidence?: PythonWait['confidence'];
    readonly confidence?: PythonWait['confidence'];
  };
  readonly holds?: readonly {
    readonly address: bigint;
    readonly kind?: HeldLock['kind'];
    readonly confidence?: HeldLock['confidence'];
  }[];
  readonly gil?: boolean;
  /** Function names, innermost first; `module!function` names the module. */
  readonly native?: readonly string[];
  readonly proc?: Partial<ThreadEvidence>;
  readonly request?: NonNullable<PythonThread['request']>;
  readonly interpreter?: number;
}

/** All inputs of a verdict; a thread's PyThreadState is at its LWP × 0x100, its pthread_t is its LWP × 0x10000. */
export function inputOf(
  drafts: readonly ThreadDraft[],
  rest: Partial<JudgeInput> & { version?: string; caughtSignals?: readonly number[] } = {},
): JudgeInput {
  const { version = '3.11.2', caughtSignals, ...input } = rest;
  return {
    core: {
      process: { pid: drafts[0]?.lwp ?? 1, name: 'python3', args: 'python3 shop.py' },
      threads: drafts.map(({ lwp, syscall }) => ({
        lwp,
        pc: 0x4000n + BigInt(lwp),
        stackPointer: 0x8000n,
        ...(syscall && { syscall }),
      })),
    },
    ...(drafts.some(({ frames }) => frames) && { python: pythonOf(drafts, version) }),
    ...(drafts.some(({ native }) => native) && { native: drafts.flatMap(nativeThread) }),
    ...((caughtSignals || drafts.some(({ proc }) => proc)) && {
      evidence: { ...evidenceOf(drafts), ...(caughtSignals && { caughtSignals }) },
    }),
    ...input,
  };
}

function pythonOf(drafts: readonly ThreadDraft[], version: string): PythonProcess {
  const holder = drafts.find(({ gil }) => gil);
  const ids = [...new Set([0, ...drafts.map(({ interpreter = 0 }) => interpreter)])];
  return {
    version,
    interpreters: ids.map(id => ({
      address: 0x100n,
      id,
      gilQueues: [],
      ...(holder && { gilHolder: BigInt(holder.lwp) * 0x100n }),
    })),
    threads: drafts.flatMap(draft => (draft.frames ? [pythonThread(draft)] : [])),
    gaps: [],
  };
}

function pythonThread({
  lwp,
  frames = [],
  waits,
  holds = [],
  gil = false,
  request,
  interpreter = 0,
}: ThreadDraft): PythonThread {
  return {
    address: BigInt(lwp) * 0x100n,
    interpreter,
    threadId: BigInt(lwp) * 0x10000n,
    lwp,
    holdsGil: gil,
    frames,
    ...(waits && {
      waits: {
        kind: 'python-lock',
        frame: 0,
        confidence: 'proven',
        evidence: [{ text: 'innermost value on the stack', address: 0x10n, value: waits.address, bytes: 8 }],
        ...waits,
      },
    }),
    holds: holds.map(hold => ({
      kind: 'python-lock',
      frame: 0,
      confidence: 'proven',
      evidence: [{ text: 'bound __exit__', address: 0x20n, value: hold.address, bytes: 8 }],
      ...hold,
    })),
    ...(request && { request }),
  };
}

function nativeThread({ lwp, native }: ThreadDraft): readonly NativeThread[] {
  return native === undefined ? [] : [{ lwp, frames: nativeFrames(native) }];
}

export function nativeFrames(names: readonly string[]): readonly NativeFrame[] {
  return names.map((text, index) => {
    const [module = '', name = text] = text.includes('!') ? text.split('!') : ['/usr/lib/libpython3.11.so.1.0', text];
    return { pc: BigInt(index + 1), module, ...(name !== '??' && { function: name }) };
  });
}

function evidenceOf(drafts: readonly ThreadDraft[]): ProcessEvidence {
  return {
    pid: drafts[0]?.lwp ?? 1,
    takenAt: '2026-01-02T03:04:05Z',
    sampledSeconds: 1,
    command: ['python3', 'shop.py'],
    executable: '/usr/bin/python3.11',
    threads: drafts.flatMap(({ lwp, proc }) =>
      proc ? [{ tid: lwp, states: ['sleeping', 'sleeping', 'sleeping'], ...proc }] : [],
    ),
    descriptors: [
      {
        fd: 5,
        target: 'socket:[77]',
        socket: { protocol: 'tcp', local: '10.0.0.3:40000', peer: '10.0.0.9:5432', state: 'ESTABLISHED' },
      },
    ],
    packages: {},
    gaps: [],
  };
}

/** /proc's word on a thread that computes, and on one that stands still. */
export const alwaysRunning: Partial<ThreadEvidence> = {
  states: ['running', 'running', 'running'],
  cpuPercent: 99,
  switchesWhileSampled: 0,
};
export const standsStill: Partial<ThreadEvidence> = {
  states: ['sleeping', 'sleeping', 'sleeping'],
  cpuPercent: 0,
  switchesWhileSampled: 0,
};
export const wakesOften: Partial<ThreadEvidence> = {
  states: ['sleeping', 'sleeping', 'sleeping'],
  cpuPercent: 0.4,
  switchesWhileSampled: 11,
};

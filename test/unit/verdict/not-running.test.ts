import { describe, expect, test } from 'vitest';
import type { ProcessEvidence, ThreadEvidence } from '../../../src/host/evidence.ts';
import { judge } from '../../../src/verdict/judge.ts';
import { judgeEvidence } from '../../../src/verdict/judge-evidence.ts';
import { alwaysRunning, call, frame, futex, inputOf, standsStill, type ThreadDraft } from './make.ts';

const isStopped: Partial<ThreadEvidence> = { ...standsStill, states: ['stopped', 'stopped', 'stopped'] };
const isHeld: Partial<ThreadEvidence> = {
  ...standsStill,
  states: ['uninterruptible', 'uninterruptible', 'uninterruptible'],
};

const findingsOf = (drafts: readonly ThreadDraft[], evidence: Partial<ProcessEvidence> = {}) => {
  const input = inputOf(drafts);
  return judge(input.evidence ? { ...input, evidence: { ...input.evidence, ...evidence } } : input).findings;
};
const brief = (drafts: readonly ThreadDraft[], evidence: Partial<ProcessEvidence> = {}) =>
  findingsOf(drafts, evidence).map(
    ({ class: kind, confidence, roots: [root] }) => `${kind} ${confidence} ${root?.lwp} ${root?.function}`,
  );

const crossed = (lwp: number, waits: bigint, holds: bigint): ThreadDraft => ({
  lwp,
  frames: [frame('bank.py:16 transfer')],
  syscall: futex(),
  waits: { address: waits },
  holds: [{ address: holds }],
  proc: isStopped,
});

describe('a stopped process', () => {
  const main: ThreadDraft = { lwp: 11, frames: [frame('shop.py:90 main')], syscall: call('pause'), proc: isStopped };
  const loop: ThreadDraft = { lwp: 12, frames: [frame('shop.py:9 count_orders')], gil: true, proc: isStopped };
  const recv: ThreadDraft = {
    lwp: 13,
    frames: [frame('shop.py:20 fetch_price')],
    syscall: call('recvfrom', 5n),
    proc: isStopped,
  };

  test('is one finding, and nobody in it is said to be busy, to wait or to sleep', () => {
    expect(brief([main, loop, recv])).toEqual(['stopped proven 11 main']);
  });

  test('is told by the signal that stopped it, and how to wake it', () => {
    expect(findingsOf([main, loop], { stopSignal: 'SIGTTIN' })[0]).toMatchObject({
      summary: expect.stringMatching(/stopped by SIGTTIN, .* terminal; its main thread, 11, is in main/),
      next: expect.stringContaining('kill -CONT 11'),
    });
  });

  test('that a debugger holds names the debugger', () => {
    expect(findingsOf([main, loop], { tracer: { pid: 77, name: 'strace ' } })[0]).toMatchObject({
      summary: expect.stringContaining('held by strace (process 77)'),
      next: expect.not.stringContaining('CONT'),
    });
  });

  test('has a deadlock all the same, for that does not go by with time', () => {
    expect(brief([main, crossed(12, 0xan, 0xbn), crossed(13, 0xbn, 0xan)])).toEqual([
      'deadlock proven 12 transfer',
      'stopped proven 11 main',
    ]);
  });

  test('is none that ran in a sample, and less sure with one look', () => {
    const woke = { ...loop, proc: { ...isStopped, states: ['stopped', 'running', 'stopped'] } as const };
    expect(brief([main, woke]).filter(text => text.startsWith('stopped'))).toEqual([]);
    const once = { ...main, proc: { ...isStopped, states: ['stopped'] } as const };
    expect(brief([once])).toEqual(['stopped likely 11 main']);
  });

  test('is not seen in a core alone, whose taker stopped it', () => {
    expect(brief([{ lwp: 11, frames: main.frames ?? [], syscall: call('pause') }])).toEqual([]);
  });
});

describe('a thread in uninterruptible sleep', () => {
  const held: ThreadDraft = {
    lwp: 11,
    frames: [frame('shop.py:20 append')],
    syscall: call('write', 7n),
    proc: { ...isHeld, wchan: 'rpc_wait_bit_killable', kernelStack: ['rpc_wait_bit_killable', 'nfs_wait_on_request'] },
  };
  const descriptors = [{ fd: 7, target: '/srv/journal' }];

  test('is a finding with its call, its file and what the kernel does, and no blocking input or output besides', () => {
    const [first, ...others] = findingsOf([held], { descriptors });
    expect(others).toEqual([]);
    expect(first).toMatchObject({ class: 'uninterruptible', confidence: 'proven', roots: [{ function: 'append' }] });
    expect(first?.summary).toMatch(
      /in the kernel: rpc_wait_bit_killable \(system call write on descriptor 7, \/srv\/journal\), called from append/,
    );
    expect(first?.next).toContain('NFS server');
    expect(first?.evidence.map(({ text }) => text)).toContain(
      'thread 11: kernel stack: rpc_wait_bit_killable < nfs_wait_on_request',
    );
  });

  test.each([
    [{ states: ['uninterruptible', 'uninterruptible'] as const }, ['uninterruptible likely 11 append']],
    [{ states: ['uninterruptible'] as const }, ['uninterruptible suspected 11 append']],
    [{ states: ['uninterruptible', 'sleeping', 'uninterruptible'] as const }, ['blocking-io likely 11 append']],
    [{ switchesWhileSampled: 40 }, []],
  ])('seen as %j', (proc, expected) => {
    expect(brief([{ ...held, proc: { ...isHeld, ...proc } }], { descriptors })).toEqual(expected);
  });

  test('stops who waits for the lock that it holds', () => {
    const waiter: ThreadDraft = {
      lwp: 12,
      frames: [frame('shop.py:30 show')],
      syscall: futex(),
      waits: { address: 0xan },
      proc: standsStill,
    };
    const holder = { ...held, syscall: call('vfork'), holds: [{ address: 0xan }] };
    expect(findingsOf([holder, waiter])).toMatchObject([{ class: 'uninterruptible', victims: [12] }]);
  });

  test('is one cause with others that came there from the same function', () => {
    const other = { ...held, lwp: 12, frames: [frame('shop.py:22 append')] };
    const elsewhere = { ...held, lwp: 13, frames: [frame('shop.py:40 load')] };
    expect(findingsOf([held, other, elsewhere]).map(({ roots }) => roots.map(({ lwp }) => lwp))).toEqual([
      [11, 12],
      [13],
    ]);
  });
});

const evidence = (threads: readonly Partial<ThreadEvidence>[]): ProcessEvidence => ({
  pid: 11,
  takenAt: '2026-01-02T03:04:05Z',
  sampledSeconds: 1,
  command: ['python3', 'shop.py'],
  executable: '/usr/bin/python3.11',
  kernel: 'Linux 6.1.0 x86_64',
  threads: threads.map((thread, index) => ({
    tid: 11 + index,
    states: ['sleeping', 'sleeping', 'sleeping'],
    ...thread,
  })),
  descriptors: [{ fd: 3, target: '/mnt/orders' }],
  packages: {},
  gaps: [],
});

describe('without a core', () => {
  test('the kernel says what holds a thread', () => {
    const syscall = { number: 74, args: [3n, 0n, 0n, 0n, 0n, 0n] };
    const { findings, threads } = judgeEvidence(
      evidence([{ wchan: 'do_sys_poll' }, { ...isHeld, wchan: 'fuse_wait', kernelStack: ['fuse_wait'], syscall }]),
    );
    expect(threads.map(({ lwp }) => lwp)).toEqual([11, 12]);
    expect(findings).toMatchObject([
      { class: 'uninterruptible', confidence: 'proven', roots: [{ lwp: 12, function: 'fuse_wait', file: 'kernel' }] },
    ]);
    expect(findings[0]?.summary).toContain('(system call fsync on descriptor 3, /mnt/orders)');
    expect(findings[0]?.signature).toBe('uninterruptible fuse_wait@kernel');
  });

  test('a computing thread is no finding: nothing says in what', () => {
    expect(judgeEvidence(evidence([{ ...alwaysRunning, wchan: 'do_wait' }])).findings).toEqual([]);
  });

  test('a kernel that says nothing leaves nothing to read', () => {
    expect(judgeEvidence(evidence([{}])).findings).toMatchObject([{ class: 'unreadable' }]);
  });
});

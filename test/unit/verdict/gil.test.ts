import { describe, expect, test } from 'vitest';
import type { PythonInterpreter } from '../../../src/python/process.ts';
import { awaitedGils } from '../../../src/report/interpreter.ts';
import { judge } from '../../../src/verdict/judge.ts';
import type { JudgeInput } from '../../../src/verdict/judge-input.ts';
import { reportOf } from '../report/make.ts';
import { alwaysRunning, call, frame, futex, inputOf, type ThreadDraft } from './make.ts';

const take = ['__futex_abstimed_wait_common64', 'pthread_cond_timedwait', 'take_gil', '_PyEval_EvalFrameDefault'];
const frames = [frame('/srv/shop.py:3 count_orders')];

/** Interpreters whose thread states, as the drafts', are at LWP × 0x100; GIL structures at 0x500000 + id × 0x1000. */
function interpreter(id: number, rest: Partial<PythonInterpreter>): PythonInterpreter {
  return { address: 0x100n, id, gilQueues: [BigInt(0x500000 + id * 0x1000)], ...rest };
}

function inputWith(drafts: readonly ThreadDraft[], interpreters: readonly PythonInterpreter[]): JudgeInput {
  const input = inputOf(drafts, { version: '3.12.1' });
  if (input.python === undefined) throw new Error('no Python');
  return { ...input, python: { ...input.python, interpreters } };
}

const waitAt = (id: number) => futex(BigInt(0x500000 + id * 0x1000 + 8));

describe('interpreters with GILs of their own', () => {
  const drafts: readonly ThreadDraft[] = [
    { lwp: 11, frames, gil: true, interpreter: 1, proc: alwaysRunning },
    { lwp: 12, frames, syscall: waitAt(1), interpreter: 1 },
    { lwp: 13, frames, gil: true, interpreter: 0 },
  ];
  const interpreters = [
    interpreter(1, { gilHolder: 0xb00n, gilOwn: true, gilDropRequested: true, gilEvidence: [] }),
    interpreter(0, { gilHolder: 0xd00n, gilOwn: true, gilDropRequested: false, gilEvidence: [] }),
  ];

  test('a thread waits for the holder in its own interpreter, and for no other', () => {
    const { threads, interpreters: judged } = judge(inputWith(drafts, interpreters));
    expect(threads.map(({ gil, waits }) => [gil, waits?.owner])).toEqual([
      ['holds', undefined],
      ['waits', 11],
      ['holds', undefined],
    ]);
    expect(judged).toEqual([
      { id: 0, gil: { holder: 13, waiters: [], dropRequested: false, own: true }, threads: [13] },
      { id: 1, gil: { holder: 11, waiters: [12], dropRequested: true, own: true }, threads: [11, 12] },
    ]);
  });

  test('a thread that goes over to another interpreter waits for the GIL there, as the address says', () => {
    const crossing = [...drafts, { lwp: 14, frames, syscall: waitAt(1), interpreter: 0 }];
    const { threads } = judge(inputWith(crossing, interpreters));
    expect(threads.at(-1)?.waits).toMatchObject({ kind: 'gil', owner: 11, confidence: 'proven' });
  });

  test('the report says it in one line for each GIL that is awaited', () => {
    const report = reportOf([], { verdict: judge(inputWith(drafts, interpreters)) });
    expect(awaitedGils(report)).toEqual(['GIL of interpreter 1: held by thread 11, awaited by 12, asked to drop it']);
  });
});

test('interpreters that share a GIL are told of together, and share the CPU that it lets them have', () => {
  const half = { ...alwaysRunning, states: ['running', 'sleeping', 'running'] as const, cpuPercent: 50 };
  const drafts: readonly ThreadDraft[] = [
    { lwp: 11, frames, gil: true, interpreter: 1, proc: half },
    { lwp: 12, frames, syscall: futex(0x500008n), interpreter: 0, proc: half },
  ];
  const shared = { gilHolder: 0xb00n, gilQueues: [0x500000n], gilEvidence: [] };
  const verdict = judge(inputWith(drafts, [interpreter(1, shared), interpreter(0, shared)]));
  expect(awaitedGils(reportOf([], { verdict }))).toEqual([
    'GIL of interpreters 0 and 1: held by thread 11, awaited by 12',
  ]);
  const busy = verdict.findings.filter(
    ({ class: kind, confidence }) => kind === 'busy-loop' && confidence === 'likely',
  );
  expect(busy.flatMap(({ roots }) => roots.map(({ lwp }) => lwp))).toEqual([11, 12]);
});

describe('who was asked for the GIL, and waits until another thread has taken it', () => {
  const handsOn = ['__futex_abstimed_wait_common64', 'pthread_cond_wait', 'drop_gil', '_PyEval_EvalFrameDefault'];
  const switchQueue = 0x500058n;
  const drafts = (native: readonly string[]): readonly ThreadDraft[] => [
    { lwp: 11, frames, native, syscall: futex(switchQueue + 40n), proc: alwaysRunning },
    { lwp: 12, frames },
  ];

  test.each([
    ['by its native stack', handsOn, [0x500000n]],
    ['by the address alone', [], [0x500000n, 0x500030n, switchQueue, 0x500088n]],
  ])('waits for its turn, and is busy all the same: %s', (_, native, gilQueues) => {
    const input = inputWith(drafts(native), [interpreter(0, { gilQueues, gilHolder: 0xc00n })]);
    const { threads, findings } = judge(input);
    expect(threads[0]).toMatchObject({ gil: 'waits', waits: { kind: 'gil', owner: 12 } });
    expect(findings.map(({ class: kind, roots }) => [kind, roots.map(({ lwp }) => lwp)])).toContainEqual([
      'busy-loop',
      [11],
    ]);
  });
});

describe('between two rounds of waiting for the GIL', () => {
  const holder: ThreadDraft = { lwp: 11, frames, gil: true };

  test('a wait whose limit had just run out is one still', () => {
    const input = inputWith([holder, { lwp: 12, frames }], [interpreter(0, { gilHolder: 0xb00n })]);
    const threads = input.core.threads.map(thread => (thread.lwp === 12 ? { ...thread, expired: waitAt(0) } : thread));
    const { threads: judged } = judge({ ...input, core: { ...input.core, threads } });
    expect(judged[1]).toMatchObject({ gil: 'waits', onCpu: false, waits: { kind: 'gil', owner: 11 } });
  });

  test('a thread whose native stack is inside take_gil waits, in a system call or not', () => {
    const verdict = judge(
      inputWith([holder, { lwp: 12, frames, native: take }], [interpreter(0, { gilHolder: 0xb00n })]),
    );
    expect(verdict.threads[1]).toMatchObject({ gil: 'waits', waits: { kind: 'gil', owner: 11 } });
  });

  test('a time-out of another call is none', () => {
    const input = inputWith([holder, { lwp: 12, frames }], [interpreter(0, { gilHolder: 0xb00n })]);
    const threads = input.core.threads.map(thread =>
      thread.lwp === 12 ? { ...thread, expired: futex(0x7000n) } : thread,
    );
    expect(judge({ ...input, core: { ...input.core, threads } }).threads[1]?.waits).toBeUndefined();
  });
});

test('who sleeps and keeps the GIL is the cause, and says so', () => {
  const drafts: readonly ThreadDraft[] = [
    {
      lwp: 11,
      frames,
      gil: true,
      syscall: call('nanosleep', 0x1000n),
      proc: { states: ['sleeping', 'sleeping'], switchesWhileSampled: 0 },
    },
    { lwp: 12, frames, syscall: waitAt(0) },
  ];
  const [found] = judge(
    inputWith(drafts, [
      interpreter(0, { gilHolder: 0xb00n, gilEvidence: [{ text: 'held', address: 0x5n, value: 0xb00n, bytes: 8 }] }),
    ]),
  ).findings;
  expect(found).toMatchObject({ class: 'sleep', victims: [12] });
  expect(found?.evidence).toContainEqual({ text: 'thread 11: held', address: 0x5n, value: 0xb00n, bytes: 8 });
  expect(found?.next).toContain('the GIL');
  expect(reportOf(drafts).threads[0]?.gil).toBe('holds');
});

import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/verdict/judge.ts';
import { awaitedMutex } from '../../../src/verdict/mutex.ts';
import { frame, futex, inputOf, standsStill, type ThreadDraft } from './make.ts';

const address = 0x7000n;
const wait = 128n;
const waitBitset = 137n;
const lockPriority = 134n;

/** `pthread_mutex_t` as glibc lays it out: the futex word, count, owner, users, kind. */
const memory = (word: number, owner: number, users: number, kind: number) => {
  const bytes = Buffer.alloc(40);
  bytes.writeUInt32LE(word >>> 0, 0);
  bytes.writeInt32LE(owner, 8);
  bytes.writeInt32LE(users, 12);
  bytes.writeInt32LE(kind, 16);
  return {
    read: (at: bigint, length: number) => bytes.subarray(Number(at - address), Number(at - address) + length),
  };
};

const waited = 0x8000_0000;

describe('the owner of a mutex that a thread waits for', () => {
  test.each([
    { kind: 'normal', fields: [2, 7, 1, 0], call: wait, confidence: 'likely' },
    { kind: 'recursive', fields: [2, 7, 1, 1], call: wait, confidence: 'likely' },
    { kind: 'error checking, with a limit', fields: [2, 7, 1, 2], call: waitBitset, confidence: 'likely' },
    { kind: 'priority inheriting', fields: [waited + 7, 7, 1, 32], call: lockPriority, confidence: 'proven' },
    { kind: 'robust', fields: [waited + 7, 7, 1, 16], call: wait, confidence: 'proven' },
    {
      kind: 'robust and priority inheriting',
      fields: [waited + 7, 7, 1, 49],
      call: lockPriority,
      confidence: 'proven',
    },
  ] as const)('is read of a $kind one', ({ fields, call, confidence }) => {
    const [word, owner, users, kind] = fields;
    expect(awaitedMutex(memory(word, owner, users, kind), [address, call])).toMatchObject({ ownerId: 7, confidence });
  });

  test('is what the kernel keeps to in the futex word of a priority lock, whatever lies behind it', () => {
    expect(awaitedMutex(memory(waited + 7, 0, 0, 0x12345), [address, lockPriority])).toMatchObject({
      ownerId: 7,
      confidence: 'likely',
      evidence: [{ address, value: BigInt(waited + 7), bytes: 4 }],
    });
  });

  test.each([
    { what: 'a futex word that nobody waits for', fields: [1, 7, 1, 0], call: wait },
    { what: 'no owner', fields: [2, 0, 0, 0], call: wait },
    { what: 'an owner that nobody counts', fields: [2, 7, 0, 0], call: wait },
    { what: 'a kind that no mutex has', fields: [2, 7, 1, 0x7fff_0000], call: wait },
    { what: 'a robust kind and another word than its owner', fields: [waited + 9, 7, 1, 16], call: wait },
    { what: 'a call that wakes', fields: [2, 7, 1, 0], call: 129n },
  ] as const)('is not made up of $what', ({ fields: [word, owner, users, kind], call }) => {
    expect(awaitedMutex(memory(word, owner, users, kind), [address, call])).toBeUndefined();
  });
});

const native = [
  'libc.so.6!__lll_lock_wait',
  'libc.so.6!pthread_mutex_lock',
  'lib.so!enter',
  '_PyEval_EvalFrameDefault',
];
const waiter = (rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp: 11,
  frames: [frame('shop.py:9 enter')],
  syscall: futex(address),
  proc: standsStill,
  ...rest,
});
const owner: ThreadDraft = { lwp: 12, frames: [frame('shop.py:20 show')], proc: standsStill };
const waitsOf = (drafts: readonly ThreadDraft[], ownerId: number) =>
  judge(inputOf(drafts, { memory: memory(2, ownerId, 1, 0) })).threads[0]?.waits;

describe('a thread that waits for a mutex', () => {
  test('is as sure as the native stack that shows it', () => {
    expect(waitsOf([waiter({ native }), owner], 12)).toMatchObject({
      kind: 'pthread-mutex',
      owner: 12,
      ownerConfidence: 'proven',
    });
    expect(waitsOf([waiter(), owner], 12)).toMatchObject({
      kind: 'pthread-mutex',
      owner: 12,
      ownerConfidence: 'likely',
    });
    expect(waitsOf([waiter({ native: ['libc.so.6!pthread_cond_wait', 'lib.so!enter'] }), owner], 12)?.kind).toBe(
      'unknown',
    );
  });

  test('and holds it itself is a deadlock of one', () => {
    const { findings } = judge(inputOf([waiter({ native })], { memory: memory(2, 11, 1, 0) }));
    expect(findings).toMatchObject([{ class: 'deadlock', confidence: 'proven', roots: [{ lwp: 11 }] }]);
  });

  test('shows the mutex among what its owner holds', () => {
    const { threads } = judge(inputOf([waiter({ native }), owner], { memory: memory(2, 12, 1, 0) }));
    expect(threads[1]?.holds).toMatchObject([{ kind: 'pthread-mutex', address, confidence: 'proven' }]);
  });

  test('whose owner is no thread of the process waits for nobody, as long as not all ids are known', () => {
    expect(waitsOf([waiter({ native }), owner], 99)).toMatchObject({ kind: 'pthread-mutex' });
    expect(waitsOf([waiter({ native }), owner], 99)?.orphan).toBeUndefined();
  });

  test('whose owner is no thread of the process is orphaned where /proc tells all ids', () => {
    const drafts = [
      waiter({ native, proc: { ...standsStill, nsPid: 1 } }),
      { ...owner, proc: { ...standsStill, nsPid: 2 } },
    ];
    const { findings } = judge(inputOf(drafts, { memory: memory(2, 99, 1, 0) }));
    expect(findings).toMatchObject([{ class: 'orphaned-lock', confidence: 'proven', roots: [{ lwp: 11 }] }]);
  });
});

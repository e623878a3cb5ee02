import { describe, expect, test } from 'vitest';
import { type Memory, UnreadableMemoryError } from '../../../src/corefile/memory.ts';
import type { LostPythonThread } from '../../../src/python/process.ts';
import { judge } from '../../../src/verdict/judge.ts';
import { frame, futex, inputOf, standsStill, type ThreadDraft } from './make.ts';

/** The child of a fork. */
function judged(
  drafts: readonly ThreadDraft[],
  {
    lost = [],
    foreign = [],
    memory,
  }: { lost?: readonly LostPythonThread[]; foreign?: readonly bigint[]; memory?: Memory } = {},
) {
  const input = inputOf(drafts);
  const threads = [
    ...input.core.threads.map(thread => ({ ...thread, pthread: BigInt(thread.lwp) * 0x10000n })),
    ...foreign.map((pthread, index) => ({ lwp: 900 + index, pc: 0n, stackPointer: 0n, pthread })),
  ];
  return judge({
    ...input,
    core: { ...input.core, threads },
    ...(memory && { memory }),
    ...(input.python && { python: { ...input.python, ...(lost.length > 0 && { lost }) } }),
  });
}

/** glibc's `struct pthread` of a thread that is no more. */
function remainsAt(address: bigint, endFlags: number): Memory {
  const bytes = Buffer.alloc(1024);
  bytes.writeBigUInt64LE(address, 0);
  bytes.writeBigUInt64LE(address, 16);
  bytes.writeBigInt64LE(-32n, 744);
  bytes.writeUInt32LE(endFlags, 776);
  return {
    read: (at, length) => {
      if (at < address || at + BigInt(length) > address + 1024n) throw new UnreadableMemoryError(at, length);
      return bytes.subarray(Number(at - address), Number(at - address) + length);
    },
  };
}

const waiter = (
  lwp: number,
  waits: NonNullable<ThreadDraft['waits']>,
  rest: Partial<ThreadDraft> = {},
): ThreadDraft => ({
  lwp,
  frames: [frame('shop.py:16 transfer')],
  syscall: futex(),
  waits,
  proc: standsStill,
  ...rest,
});

const audit = frame('shop.py:14 audit');
const lostThread: LostPythonThread = {
  threadId: 0x990000n,
  frames: [audit],
  holds: [
    {
      kind: 'python-lock',
      address: 0xan,
      frame: 0,
      at: { file: 'shop.py', line: 12 },
      confidence: 'proven',
      evidence: [{ text: 'bound __exit__', address: 0x30n, value: 0xan, bytes: 8 }],
    },
  ],
  evidence: [{ text: 'has the thread id 0', address: 0x99_02d0n, value: 0n, bytes: 4 }],
};

const brief = ({ findings }: ReturnType<typeof judge>) =>
  findings.map(({ class: kind, confidence, roots, victims }) => [
    kind,
    confidence,
    roots.map(({ lwp }) => lwp),
    victims,
  ]);

describe('a lock whose owner does not exist', () => {
  const named = { address: 0xan, kind: 'python-rlock', ownerThreadId: 0x990000n } as const;

  test.each([
    { endFlags: 2, fate: 'stayed behind when this process was forked' },
    { endFlags: 0x30, fate: 'has ended' },
  ])('is proven where the lock names a thread of which only remains are there: it $fate', ({ endFlags, fate }) => {
    const verdict = judged([waiter(11, named)], { memory: remainsAt(0x990000n, endFlags) });
    expect(brief(verdict)).toEqual([['orphaned-lock', 'proven', [11], []]]);
    expect(verdict.findings[0]?.summary).toContain(`the thread that took it ${fate}`);
    expect(verdict.findings[0]?.evidence.slice(-2)).toMatchObject([
      { address: 0x990000n + 720n, value: 0n, bytes: 4 },
      { address: 0x990000n + 776n, value: BigInt(endFlags), bytes: 4 },
    ]);
  });

  test('is likely where nothing is left of the thread that the lock names', () => {
    const verdict = judged([waiter(11, named)]);
    expect(brief(verdict)).toEqual([['orphaned-lock', 'likely', [11], []]]);
    expect(verdict.findings[0]?.evidence.at(-1)?.text).toBe(
      'none of the 1 threads of this process is the thread 0x990000',
    );
  });

  test('is proven where a thread that a fork left behind stands inside its with block, which is named', () => {
    const verdict = judged([waiter(11, { address: 0xan }), waiter(12, { address: 0xan })], { lost: [lostThread] });
    expect(brief(verdict)).toEqual([['orphaned-lock', 'proven', [11, 12], []]]);
    expect(verdict.findings[0]?.summary).toContain(
      'the thread that took it in audit (shop.py:12) stayed behind when this process was forked',
    );
    expect(verdict.findings[0]?.evidence).toEqual(
      expect.arrayContaining([...lostThread.evidence, ...(lostThread.holds[0]?.evidence ?? [])]),
    );
  });

  test('has those as victims who wait for a thread that waits for it', () => {
    const verdict = judged(
      [waiter(11, { address: 0xan }, { holds: [{ address: 0xbn }] }), waiter(12, { address: 0xbn })],
      { lost: [lostThread] },
    );
    expect(brief(verdict)).toEqual([['orphaned-lock', 'proven', [11], [12]]]);
  });

  test('is no more sure than that it is taken', () => {
    const verdict = judged([waiter(11, { address: 0xan, confidence: 'suspected' })], { lost: [lostThread] });
    expect(brief(verdict)).toEqual([['orphaned-lock', 'suspected', [11], []]]);
  });

  test('is another one than a lock that nobody is known to hold, although a fork left threads behind', () => {
    expect(brief(judged([waiter(11, { address: 0xcn })], { lost: [lostThread] }))).toEqual([
      ['lock-wait', 'likely', [11], []],
    ]);
  });

  test('is not a lock that a thread without Python owns', () => {
    expect(brief(judged([waiter(11, named)], { foreign: [0x990000n] })).map(([kind]) => kind)).not.toContain(
      'orphaned-lock',
    );
  });

  test('is not a lock that a live thread holds, whatever a lost one looked like', () => {
    const holder: ThreadDraft = { lwp: 12, frames: [frame('shop.py:30 show')], holds: [{ address: 0xan }] };
    const { threads, findings } = judged([waiter(11, { address: 0xan }), holder], { lost: [lostThread] });
    expect(threads[0]?.waits).toMatchObject({ owner: 12 });
    expect(findings.map(({ class: kind }) => kind)).not.toContain('orphaned-lock');
  });

  test('is not a lock without an owner, nor one of a core whose thread pointers are not known', () => {
    expect(brief(judged([waiter(11, { ...named, ownerThreadId: 0n })]))).toEqual([['lock-wait', 'likely', [11], []]]);
    expect(judge(inputOf([waiter(11, named)])).findings.map(({ class: kind }) => kind)).toEqual(['lock-wait']);
  });
});

describe('a lock that several threads seem to hold', () => {
  test('has no owner that is more than suspected', () => {
    const drafts: ThreadDraft[] = [
      waiter(11, { address: 0xbn }, { holds: [{ address: 0xan }] }),
      waiter(12, { address: 0xan }, { holds: [{ address: 0xbn }] }),
      { lwp: 13, frames: [frame('shop.py:30 close')], holds: [{ address: 0xan }] },
    ];
    const { findings } = judged(drafts);
    expect(findings.filter(({ confidence }) => confidence !== 'suspected').map(({ class: kind }) => kind)).toEqual([]);
  });
});

describe('an import lock', () => {
  test('is told with the module that is awaited, and by whom', () => {
    const drafts: ThreadDraft[] = [
      {
        lwp: 11,
        frames: [frame('shop.py:9 receive')],
        syscall: { number: 45, name: 'recvfrom', args: [5n] },
        proc: standsStill,
        holds: [{ address: 0xan, kind: 'import-lock' }],
      },
      waiter(12, { address: 0xan, kind: 'import-lock', module: 'shop.settings' }),
      waiter(13, { address: 0xan, kind: 'import-lock', module: 'shop.settings' }),
    ];
    const { findings } = judged(drafts);
    expect(findings).toMatchObject([{ class: 'blocking-io', victims: [12, 13] }]);
    expect(findings[0]?.summary).toMatch(/; threads 12 and 13 wait to import shop\.settings$/);
    expect(findings[0]?.evidence.map(({ text }) => text)).toContain('thread 12: innermost value on the stack');
  });
});

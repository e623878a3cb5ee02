import { array, assert, constant, integer, oneof, property, record, uniqueArray } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge } from '../../../src/verdict/judge.ts';
import type { Confidence } from '../../../src/verdict/thread.ts';
import { call, frame, futex, inputOf, standsStill, stdlib, type ThreadDraft, wakesOften } from './make.ts';

const semaphore = 0x90n;
const request = { method: 'GET', path: '/orders' };
/** As many permits as a bounded semaphore was made with; undefined: it is a plain one. */
type Permits = number | undefined;

const wants = (lwp: number, permits: Permits, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [
    frame(`${stdlib}/threading.py:355 wait`),
    frame(`${stdlib}/threading.py:507 acquire`),
    frame('a.py:30 show'),
  ],
  syscall: futex(),
  waits: {
    address: semaphore,
    kind: 'semaphore',
    permits: { value: 0, ...(permits !== undefined && { initial: permits }) },
  },
  proc: standsStill,
  ...rest,
});
const permit = { address: semaphore, kind: 'semaphore' } as const;
const reads = (lwp: number, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame('a.py:20 fetch')],
  syscall: call('recvfrom', 5n),
  holds: [permit],
  proc: standsStill,
  ...rest,
});
const locked = (lwp: number, address: bigint, rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp,
  frames: [frame('a.py:40 store')],
  syscall: futex(),
  waits: { address },
  proc: standsStill,
  ...rest,
});

const waitOf = (drafts: readonly ThreadDraft[], lwp: number) =>
  judge(inputOf(drafts)).threads.find(thread => thread.lwp === lwp)?.waits;
const texts = (drafts: readonly ThreadDraft[]) => waitOf(drafts, 11)?.evidence.map(({ text }) => text);
const rolesBeside = (permits: Permits, holder: ThreadDraft) =>
  judge(inputOf([wants(11, permits), holder])).threads.map(({ role }) => role);
const found = (drafts: readonly ThreadDraft[]) => judge(inputOf(drafts)).findings;
const brief = (drafts: readonly ThreadDraft[]) =>
  found(drafts).map(
    ({ class: kind, confidence, roots }) => `${kind} ${confidence} ${roots.map(({ lwp }) => lwp).join()}`,
  );

describe('who has the permits that a wait for a semaphore lacks', () => {
  test.each<[string, Permits, readonly ThreadDraft[], readonly number[], Confidence]>([
    ['the only permit of a bounded one', 1, [reads(12)], [12], 'proven'],
    ['all permits of a bounded one', 2, [reads(12), reads(13)], [12, 13], 'proven'],
    ['all permits in one thread', 2, [reads(12, { holds: [permit, permit] })], [12], 'proven'],
    ['those of a plain one, of which there may be more', undefined, [reads(12)], [12], 'likely'],
    [
      'one that an ExitStack may have entered',
      1,
      [reads(12, { holds: [{ ...permit, confidence: 'likely' }] })],
      [12],
      'likely',
    ],
  ])('%s', (_what, permits, holders, lwps, confidence) => {
    const waits = waitOf([wants(11, permits), ...holders], 11);
    expect(waits).toMatchObject({ kind: 'semaphore', holders: lwps, owner: lwps[0], ownerConfidence: confidence });
  });

  test.each<[string, number, readonly ThreadDraft[], readonly number[]]>([
    ['took them without a block', 2, [reads(12)], [12]],
    ['had theirs given back by another thread', 1, [reads(12), reads(13)], [12, 13]],
  ])('nobody must act where some %s: who is in a block is told all the same', (_who, permits, holders, lwps) => {
    const waits = waitOf([wants(11, permits), ...holders], 11);
    expect(waits).toMatchObject({ holders: lwps, ownerConfidence: 'suspected' });
    expect(waits?.owner).toBeUndefined();
  });

  test('nobody has to act for one whose permit was given back: it is about to wake', () => {
    const waking = wants(11, 1, {
      waits: { address: semaphore, kind: 'semaphore', permits: { value: 1, initial: 1 } },
    });
    expect(waitOf([waking, reads(12)], 11)?.holders).toBeUndefined();
  });

  test('is accounted for, with what proves it of each', () => {
    expect(texts([wants(11, 2), reads(12), reads(13)])).toEqual(
      expect.arrayContaining([
        '2 of its 2 permits are held inside with blocks: by thread 12, by thread 13',
        'holder 12: bound __exit__',
        'holder 13: bound __exit__',
      ]),
    );
    expect(texts([wants(11, 2), reads(12)])).toContain(
      '1 of its 2 permits is held inside with blocks: by thread 12; who took the others is not known',
    );
    expect(texts([wants(11, undefined), reads(12, { holds: [permit, permit] })])).toContain(
      '2 permits are held inside with blocks: by thread 12, 2 times,',
    );
    const many = Array.from({ length: 20 }, (_, index) => reads(100 + index));
    expect(texts([wants(11, 20), ...many])?.filter(text => text.startsWith('holder '))).toHaveLength(8);
    expect(texts([wants(11, 20), ...many])).toContainEqual(expect.stringMatching(/by thread 107 and 12 more$/));
  });
});

describe('whoever waits for a permit', () => {
  test('is a victim of those who keep all of them', () => {
    const findings = found([wants(11, 2, { request }), reads(12), reads(13)]);
    expect(findings).toMatchObject([{ class: 'blocking-io', roots: [{ lwp: 12 }, { lwp: 13 }], victims: [11] }]);
    expect(findings[0]?.evidence.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'thread 12: bound __exit__',
        'thread 11: 2 of its 2 permits are held inside with blocks: by thread 12, by thread 13',
      ]),
    );
  });

  test('gets on as long as one of them does', () => {
    const working = reads(13, { proc: wakesOften });
    expect(waitOf([wants(11, 2), reads(12), working], 11)?.owner).toBe(13);
    expect(found([wants(11, 2), reads(12), working])).toMatchObject([{ roots: [{ lwp: 12 }], victims: [] }]);
  });

  test('waits for a resource and does not idle, where all permits are accounted for', () => {
    const working = reads(12, { proc: wakesOften });
    expect(rolesBeside(1, working)).toEqual(['application', 'application']);
    expect(rolesBeside(undefined, working)).toEqual(['idle', 'application']);
  });

  test('is stuck by itself where it is not known who has to act: the suspects are named', () => {
    expect(found([wants(11, 2, { request }), reads(12, { proc: wakesOften })])).toMatchObject([
      {
        class: 'wait-notify',
        confidence: 'likely',
        summary: 'thread 11 waits in show (a.py:30) (semaphore); thread 12 is inside a with block of that semaphore',
      },
    ]);
  });
});

describe('a circle through a semaphore', () => {
  const store = locked(13, 0xan, { holds: [permit] });
  const show = (permits: Permits) => wants(12, permits, { holds: [{ address: 0xan }] });

  test.each<[Permits, Confidence]>([
    [1, 'proven'],
    [undefined, 'likely'],
  ])('of %s permits in all is a deadlock, as sure as these are known', (permits, confidence) => {
    const [deadlock, ...others] = found([show(permits), store]);
    expect(others).toEqual([]);
    expect(deadlock).toMatchObject({
      class: 'deadlock',
      confidence,
      summary: "threads 12 and 13 wait for each other's locks and permits: show (a.py:30) and store (a.py:40)",
      next: 'take these locks in the same order everywhere, or take the second with a timeout',
    });
    const told = deadlock?.evidence.map(({ text }) => text);
    expect(told).toContain('thread 12 waits for semaphore 0x90, held by thread 13');
    // Each proof once.
    expect(told?.filter(text => text.includes('13: bound __exit__'))).toEqual(['thread 12: holder 13: bound __exit__']);
  });

  test('is none while another holder gets on, and one when that waits for a member', () => {
    expect(brief([show(2), store, reads(14, { proc: wakesOften })])).toEqual([]);
    expect(brief([show(2), store, reads(14)])).toEqual(['blocking-io likely 14']);
    expect(brief([show(2), store, locked(14, 0xan, { holds: [permit] })])).toEqual(['deadlock proven 12,13']);
  });

  test('is none where others took permits that no block accounts for', () => {
    expect(brief([show(2), store])).not.toContainEqual(expect.stringContaining('deadlock'));
  });

  test('of threads that each have one permit and want another', () => {
    const both = [wants(11, 2, { holds: [permit] }), wants(12, 2, { holds: [permit] })];
    expect(found(both)).toMatchObject([
      {
        class: 'deadlock',
        confidence: 'proven',
        summary: "threads 11 and 12 wait for each other's permits: show (a.py:30) and show (a.py:30)",
        next: expect.stringContaining('take all permits that a thread needs before its work'),
      },
    ]);
  });

  test('of one thread that wants what it has', () => {
    expect(found([wants(11, 1, { holds: [permit] })])).toMatchObject([
      {
        class: 'deadlock',
        confidence: 'proven',
        summary: 'thread 11 waits in show (a.py:30) for a permit that it holds itself',
        next: 'do not take another permit of a semaphore inside its own with block',
      },
    ]);
  });

  test('is closed where no thread of it can be freed, and nowhere else', () => {
    const need = oneof(
      constant([]),
      record({ one: integer({ min: 0, max: 7 }) }).map(({ one }) => [one]),
      uniqueArray(integer({ min: 0, max: 7 }), { minLength: 2, maxLength: 4 }),
    );
    assert(
      property(array(need, { minLength: 8, maxLength: 8 }), needs => {
        const threads = judge(inputOf(draftsOf(needs))).threads;
        const owners = new Map(threads.map(({ lwp, waits }) => [lwp, waits?.owner]));
        const freed = freedOf(needs);
        for (const lwp of needs.keys()) expect(endsFreely(owners, lwp + 1)).toBe(freed.has(lwp));
      }),
    );
  });
});

const addressOf = (index: number) => BigInt(0x1000 + 0x10 * index);

/** Thread `i + 1` waits for the lock of the one, or a permit of any of those, that `needs[i]` names. */
function draftsOf(needs: readonly (readonly number[])[]): readonly ThreadDraft[] {
  return needs.map((own, index) => {
    const holds = needs.flatMap((others, waiter) =>
      others.includes(index)
        ? [{ address: addressOf(waiter), kind: others.length === 1 ? 'python-lock' : 'semaphore' } as const]
        : [],
    );
    const address = addressOf(index);
    const [frames, syscall] = [[frame('a.py:1 f')], futex()];
    if (own.length === 0) return { lwp: index + 1, frames, holds };
    if (own.length === 1) return { lwp: index + 1, frames, syscall, holds, waits: { address } };
    const permits = { value: 0, initial: own.length };
    return { lwp: index + 1, frames, syscall, holds, waits: { address, kind: 'semaphore', permits } };
  });
}

/** Who goes on in the end: one that needs nobody, or of whose needs one goes on. */
function freedOf(needs: readonly (readonly number[])[]): ReadonlySet<number> {
  const freed = new Set<number>();
  for (const _ of needs)
    for (const [index, own] of needs.entries())
      if (own.length === 0 || own.some(other => freed.has(other))) freed.add(index);
  return freed;
}

function endsFreely(owners: ReadonlyMap<number, number | undefined>, lwp: number): boolean {
  const seen = new Set<number>();
  let at: number | undefined = lwp;
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    at = owners.get(at);
  }
  return at === undefined;
}

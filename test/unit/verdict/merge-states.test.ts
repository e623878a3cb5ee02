import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PythonFrame, PythonThread } from '../../../src/python/process.ts';
import { mergeStates } from '../../../src/verdict/merge-states.ts';
import { frame } from './make.ts';

/** Frames of one evaluator call, innermost first: their names, and where the call stands on the native stack. */
interface Call {
  readonly names: readonly string[];
  readonly position?: bigint;
}

function framesOf(calls: readonly Call[]): readonly PythonFrame[] {
  return calls.flatMap(({ names, position }) =>
    names.map((name, index) => {
      const entry = index === names.length - 1;
      const made = frame(`a.py:1 ${name}`, entry);
      return { ...made, address: addressOf(name), ...(entry && position !== undefined && { position }) };
    }),
  );
}

const addressOf = (name: string) => BigInt(`0x${Buffer.from(name).toString('hex')}`);

function stateOf(interpreter: number, calls: readonly Call[], rest: Partial<PythonThread> = {}): PythonThread {
  return {
    address: BigInt(0x100 * (interpreter + 1)),
    interpreter,
    threadId: 0x7000n,
    lwp: 7,
    holdsGil: false,
    frames: framesOf(calls),
    holds: [],
    ...rest,
  };
}

function merged(...states: readonly PythonThread[]) {
  const found = mergeStates(states).get(7);
  if (found === undefined) throw new Error('no thread');
  return found;
}

const placesOf = (thread: ReturnType<typeof merged>) =>
  thread.frames.map(({ function: name, interpreter }) => `${name} ${interpreter}`);

test('frames of several states stand in the order of their calls on the native stack, each with its interpreter', () => {
  const calls = fc.array(fc.record({ of: fc.nat({ max: 3 }), size: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(calls, inOrder => {
      const placed = inOrder.map(({ of, size }, index) => ({
        of,
        position: BigInt(0x9000 + 16 * index),
        names: Array.from({ length: size }, (_, inner) => `f${index}.${inner}`),
      }));
      const states = [0, 1, 2, 3].map(id =>
        stateOf(
          id,
          placed.filter(({ of }) => of === id),
        ),
      );
      const thread = merged(...states);
      expect(placesOf(thread)).toEqual(placed.flatMap(({ of, names }) => names.map(name => `${name} ${of}`)));
      expect(thread.interpreter).toBe(placed[0]?.of);
    }),
  );
});

test('where no place is known, the holder of the GIL comes first, then the newest interpreter', () => {
  const main = [{ names: ['serve'] }];
  const inner = [{ names: ['handle'] }];
  expect(placesOf(merged(stateOf(1, inner), stateOf(0, main)))).toEqual(['handle 1', 'serve 0']);
  expect(placesOf(merged(stateOf(1, inner), stateOf(0, main, { holdsGil: true })))).toEqual(['serve 0', 'handle 1']);
});

test('a state without frames hides nothing of the others, and says where the thread is when it holds the GIL', () => {
  const thread = merged(stateOf(1, [{ names: ['handle'] }]), stateOf(0, []));
  expect([placesOf(thread), thread.interpreter]).toEqual([['handle 1'], 1]);
  const busy = merged(stateOf(1, [{ names: ['handle'] }]), stateOf(0, [], { holdsGil: true }));
  expect([busy.interpreter, busy.holdsGil]).toEqual([0, true]);
});

test('locks of all states are held, a lock that only names its owner once; waits and holds point to their frames', () => {
  const lock = { kind: 'python-lock', confidence: 'proven', evidence: [] } as const;
  const inner = stateOf(1, [{ names: ['wait', 'handle'], position: 0x10n }], {
    waits: { ...lock, address: 0xan, frame: 0 },
    holds: [{ ...lock, address: 0xdn }],
  });
  const outer = stateOf(0, [{ names: ['call', 'serve'], position: 0x20n }], {
    holds: [
      { ...lock, address: 0xbn, frame: 1 },
      { ...lock, address: 0xdn },
    ],
    request: { method: 'GET', path: '/' },
  });
  const thread = merged(outer, inner);
  expect(thread.waits).toMatchObject({ address: 0xan, frame: 0 });
  expect(thread.holds.map(({ address, frame: index }) => [address, index])).toEqual([
    [0xdn, undefined],
    [0xbn, 3],
  ]);
  expect(thread.request).toEqual({ method: 'GET', path: '/' });
});

test('a state without a live thread belongs to none', () => {
  const { lwp: _, ...dead } = stateOf(0, []);
  expect(mergeStates([dead]).size).toBe(0);
});

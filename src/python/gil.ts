import { formatAddress } from '../corefile/memory.ts';
import { attempt, type Heap } from './objects/heap.ts';
import type { Evidence } from './process.ts';
import type { Runtime } from './runtime.ts';

/** What is known of the GIL that an interpreter runs under. */
export interface Gil {
  /** PyThreadState that holds it; absent: nobody. */
  readonly holder?: bigint;
  /**
   * Every `pthread_cond_t` and `pthread_mutex_t` in which the futex address of a thread may lie that waits for its turn;
   * in 2.7 one `sem_t`. Empty where they were not found.
   */
  readonly queues: readonly bigint[];
  /** Whether the interpreter has it for itself; absent before 3.12, when one was for all. */
  readonly own?: boolean;
  /** Whether its holder is asked to give it up; absent where nobody asks (2.7), or where it is not known. */
  readonly dropRequested?: boolean;
  /** Whether its holder's byte code is asked to stop for anything; absent where it is not known. */
  readonly breaker?: boolean;
  /** Where all this was read. */
  readonly evidence: readonly Evidence[];
}

/** The GIL of an interpreter; undefined when the variable that says its holder was not found. */
export function readGil(runtime: Runtime, interpreter: bigint): Gil | undefined {
  const gil = readHolder(runtime, interpreter);
  if (gil === undefined) return undefined;
  const { evidence, ...requests } = attempt(() => readRequests(runtime, interpreter, gil.holder)) ?? { evidence: [] };
  return { ...gil, ...requests, evidence: [...gil.evidence, ...evidence] };
}

function readHolder({ heap, structure, current, gilQueues: queues }: Runtime, interpreter: bigint): Gil | undefined {
  const { gil } = heap.layout;
  switch (gil.shape) {
    case 'current-thread': {
      if (current === undefined) return undefined;
      const holder = heap.pointer(current);
      return { queues, ...(holder !== 0n && { holder }), evidence: [holderEvidence(current, holder)] };
    }
    case 'runtime':
      return structure === undefined ? undefined : gilAt(heap, structure);
    case 'interpreter': {
      const address = heap.pointer(interpreter + BigInt(gil.pointer));
      if (address === 0n) return undefined;
      if (gil.enabled !== undefined && heap.int(address + BigInt(gil.enabled)) === 0) return undefined;
      const own = attempt(() => heap.int(interpreter + BigInt(gil.pointer + gil.own)));
      return { ...gilAt(heap, address), ...(own !== undefined && { own: own !== 0 }) };
    }
    default:
      return gil satisfies never;
  }
}

function gilAt(heap: Heap, address: bigint): Gil {
  const { gil } = heap.layout;
  if (gil.shape === 'current-thread') return { queues: [], evidence: [] };
  const locked = address + BigInt(gil.locked);
  const last = address + BigInt(gil.lastHolder);
  const isLocked = heap.int(locked) === 1;
  const holder = heap.pointer(last);
  const lockedEvidence: Evidence = { text: 'the GIL is taken', address: locked, value: 1n, bytes: 4 };
  return {
    ...(isLocked && holder !== 0n && { holder }),
    queues: [gil.condition, gil.mutex, gil.switchCondition, gil.switchMutex].map(offset => address + BigInt(offset)),
    evidence: isLocked ? [holderEvidence(last, holder), lockedEvidence] : [],
  };
}

function holderEvidence(address: bigint, holder: bigint): Evidence {
  const text = holder === 0n ? 'nobody holds the GIL' : `the GIL is held by the thread state ${formatAddress(holder)}`;
  return { text, address, value: holder, bytes: 8 };
}

type Requests = Pick<Gil, 'dropRequested' | 'breaker' | 'evidence'>;

/**
 * What the holder sees: the flags of its own interpreter, where each has some of its own. 3.9 to 3.12 put the request to
 * the waiter's interpreter (Python/ceval_gil.h, `take_gil`): one that shares its GIL with another does not hear of it.
 */
function readRequests({ heap, structure, requests }: Runtime, interpreter: bigint, holder?: bigint): Requests {
  const { requests: layout, thread } = heap.layout;
  switch (layout?.at) {
    case undefined:
      return { evidence: [] };
    case 'static':
      return flags(requests?.drop, requests?.breaker);
    case 'runtime':
      return structure === undefined ? { evidence: [] } : flagsIn(structure, layout);
    case 'interpreter': {
      const asked = holder === undefined ? undefined : attempt(() => heap.pointer(holder + BigInt(thread.interpreter)));
      return flagsIn(asked ?? interpreter, layout);
    }
    case 'thread': {
      if (holder === undefined) return { evidence: [] };
      const address = holder + BigInt(layout.breaker);
      const value = heap.pointer(address);
      const set = Number(value & BigInt(layout.requestBits));
      const dropRequested = (set & layout.dropBit) !== 0;
      return { dropRequested, breaker: set !== 0, evidence: [requestEvidence(dropRequested, address, value, 8)] };
    }
    default:
      return layout satisfies never;
  }

  function flagsIn(start: bigint, { drop, breaker }: { readonly drop: number; readonly breaker: number }): Requests {
    return flags(start + BigInt(drop), start + BigInt(breaker));
  }

  function flags(drop: bigint | undefined, breaker: bigint | undefined): Requests {
    const dropped = drop === undefined ? undefined : attempt(() => heap.int(drop));
    const broken = breaker === undefined ? undefined : attempt(() => heap.int(breaker));
    return {
      ...(dropped !== undefined && { dropRequested: dropped !== 0 }),
      ...(broken !== undefined && { breaker: broken !== 0 }),
      evidence:
        drop === undefined || dropped === undefined || holder === undefined
          ? []
          : [requestEvidence(dropped !== 0, drop, BigInt.asUintN(32, BigInt(dropped)), 4)],
    };
  }
}

function requestEvidence(isAsked: boolean, address: bigint, value: bigint, bytes: 4 | 8): Evidence {
  return { text: `its holder is ${isAsked ? '' : 'not '}asked to give it up`, address, value, bytes };
}

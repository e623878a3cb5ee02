import type { Runtime } from './runtime.ts';

export interface Gil {
  /** PyThreadState that holds it; absent: nobody. */
  readonly holder?: bigint;
  /** `pthread_cond_t` and `pthread_mutex_t` that a waiter's futex address lies in. */
  readonly condition?: bigint;
  readonly mutex?: bigint;
}

/** The GIL of an interpreter; undefined when the variable that says its holder was not found. */
export function readGil({ heap, structure, current, gil: waited }: Runtime, interpreter: bigint): Gil | undefined {
  const { gil } = heap.layout;
  switch (gil.shape) {
    case 'current-thread': {
      if (current === undefined) return undefined;
      const holder = heap.pointer(current);
      return { ...waited, ...(holder !== 0n && { holder }) };
    }
    case 'runtime':
      return structure === undefined ? undefined : gilAt(structure);
    case 'interpreter': {
      const address = heap.pointer(interpreter + BigInt(gil.pointer));
      return address === 0n ? undefined : gilAt(address);
    }
    default:
      return gil satisfies never;
  }

  function gilAt(address: bigint): Gil {
    if (gil.shape === 'current-thread') return {};
    const locked = heap.int(address + BigInt(gil.locked)) === 1;
    const holder = heap.pointer(address + BigInt(gil.lastHolder));
    return {
      ...(locked && holder !== 0n && { holder }),
      condition: address + BigInt(gil.condition),
      mutex: address + BigInt(gil.mutex),
    };
  }
}

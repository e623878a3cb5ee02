import type { LiveFrame } from '../frames/frames.ts';
import { shortName } from '../frames/names.ts';
import { localOf } from '../frames/slots.ts';
import { membersOf } from '../loaded-modules.ts';
import { enteredManagers } from '../locks/entered-managers.ts';
import { basesOf, isInstance, slotAttribute, wordsOf } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';

/** What a suspended greenlet waits for. */
export interface GreenletWait {
  /** In words: the library function that its own code called, or the object that it waits for. */
  readonly what: string;
  /** Objects that somebody may have to release, or greenlets that have to end. */
  readonly objects: readonly bigint[];
}

/** Modules whose types greenlets wait for. */
export const waitingModules = ['gevent.event', 'gevent.lock', 'gevent.queue', '_socket'] as const;

/** Their types: those of gevent are compiled, and so are the functions in which a greenlet waits for them. */
const waitedTypes: Readonly<Record<(typeof waitingModules)[number], readonly string[]>> = {
  'gevent.event': ['Event', 'AsyncResult'],
  'gevent.lock': ['Semaphore', 'BoundedSemaphore', 'DummySemaphore'],
  'gevent.queue': ['Queue', 'UnboundQueue', 'JoinableQueue', 'LifoQueue', 'PriorityQueue', 'Channel', 'SimpleQueue'],
  _socket: ['SocketType'],
};

/** Slots of a frame's value stack that are looked at. */
const wordLimit = 32;

export class GreenletWaits {
  readonly #heap: Heap;
  /** Type → what its instances are called. */
  readonly #waited: ReadonlyMap<bigint, string>;
  readonly #socket: bigint | undefined;

  /** @param joined type of greenlets that can be waited for: gevent's */
  constructor(heap: Heap, modules: ReadonlyMap<string, bigint>, joined: bigint | undefined) {
    this.#heap = heap;
    const found = waitingModules.flatMap(name => {
      const module = modules.get(name);
      const members = module === undefined ? undefined : attempt(() => membersOf(heap, module, waitedTypes[name]));
      return [...(members ?? [])];
    });
    this.#waited = new Map([
      ...found.filter(([name]) => name !== 'SocketType').map(([name, each]) => [each, `gevent ${name}`] as const),
      ...(joined === undefined ? [] : [[joined, 'greenlet'] as const]),
    ]);
    this.#socket = found.find(([name]) => name === 'SocketType')?.[1];
  }

  /** Undefined where the code of no library was called and no object tells. */
  describe(frames: readonly LiveFrame[]): GreenletWait | undefined {
    const index = frames.findIndex(({ frame }) => !isLibrary(frame.file));
    const inner = index < 0 ? frames : frames.slice(0, index);
    const called = inner.at(-1);
    if (called !== undefined)
      return {
        what: [calledName(called.frame), ...this.#details(inner)].join(' '),
        // Where gevent is not compiled, `self` of its own functions may be the greenlet that is switched.
        objects: inner
          .filter(({ frame }) => !isSwitching(frame.function))
          .flatMap(frame => attempt(() => localOf(this.#heap, frame, 'self')) ?? []),
      };
    const [innermost] = frames;
    const object = innermost && this.#objectOf(innermost);
    return object && { what: object.name, objects: [object.address] };
  }

  /** Limit, descriptor and time-out, from the locals of the library's functions. */
  #details(frames: readonly LiveFrame[]): readonly string[] {
    return frames.flatMap(frame => {
      const local = (name: string) => attempt(() => localOf(this.#heap, frame, name));
      const last = shortName(frame.frame.function);
      if (last === 'sleep') return seconds(attempt(() => this.#heap.number(local('seconds') ?? 0n)));
      if (!/\/_?(?:socket|ssl)\w*\.py$/.test(frame.frame.file)) return [];
      const own = local('self');
      const descriptor = own === undefined ? undefined : attempt(() => this.#descriptorOf(own));
      return descriptor === undefined ? [] : [`(descriptor ${descriptor})`];
    });
  }

  /** gevent/_socketcommon.py: a socket has that of `_socket` in a slot, or in its dict. */
  #descriptorOf(object: bigint): number | undefined {
    const heap = this.#heap;
    const { descriptor } = heap.layout.socket;
    const candidates = [
      object,
      attempt(() => slotAttribute(heap, object, '_sock')) ?? 0n,
      attempt(() => heap.attribute(object, '_sock')) ?? 0n,
      ...wordsOf(heap, object),
    ];
    const socket = candidates.find(each => isInstance(heap, each, this.#socket ?? 0n));
    const number = socket === undefined ? -1 : heap.int(socket + BigInt(descriptor));
    return number < 0 ? undefined : number;
  }

  /**
   * The one object that a frame's value stack has of those that greenlets wait for: the method that it is in is compiled
   * and has no frame. None where there are several, for a slot that is no longer used keeps what it had.
   */
  #objectOf(frame: LiveFrame): { readonly address: bigint; readonly name: string } | undefined {
    const heap = this.#heap;
    const entered = enteredManagers(heap, [frame]);
    const words = attempt(() => heap.pointers(frame.stack, Math.min(frame.code.stackSize, wordLimit))) ?? [];
    const found = new Map<bigint, string>();
    for (const word of words) {
      const value = heap.referent(word);
      if (value === 0n || value % 8n !== 0n) continue;
      for (const address of [value, attempt(() => heap.boundMethod(value)?.self)]) {
        const name = address === undefined || entered.has(address) ? undefined : attempt(() => this.#nameOf(address));
        if (address !== undefined && name !== undefined) found.set(address, name);
      }
    }
    const [first, ...others] = found;
    return first === undefined || others.length > 0 ? undefined : { address: first[0], name: first[1] };
  }

  #nameOf(object: bigint): string | undefined {
    const heap = this.#heap;
    for (const type of basesOf(heap, heap.typeAddress(object))) {
      const name = this.#waited.get(type);
      if (name !== undefined) return name;
    }
    return undefined;
  }
}

function isSwitching(name: string): boolean {
  return /(?:^|\.)_\w+$/.test(name) && !name.endsWith('__enter__');
}

/** The standard library, and the libraries that greenlets are switched by. */
function isLibrary(file: string): boolean {
  if (/\/(?:gevent|eventlet)\/(?:[\w/]+)\.pyc?$/.test(file)) return true;
  return /\/python\d\.\d+t?\/(?!(?:site|dist)-packages\/)/.test(file);
}

/** `gevent.socket.recv`: modules by the names that they are used by. */
function calledName({ function: name, file }: { readonly function: string; readonly file: string }): string {
  const module = /\/(?:(gevent|eventlet)\/)?([\w/]+?)\.pyc?$/.exec(file);
  const [, library, own = ''] = module ?? [];
  const last = own.split('/').at(-1) ?? '';
  const publicName = /^_?socket(?:common|\d)$/.test(last) ? 'socket' : last === 'hub' ? '' : last.replace(/^_+/, '');
  const called =
    publicName === 'socket' ? name.replace(/^(?:\w*[sS]ocket\w*|SocketMixin)\./, '') : name.replace(/^_/, '');
  return [library, publicName, called].filter(part => part !== undefined && part !== '').join('.');
}

function seconds(value: number | undefined): readonly string[] {
  return value === undefined ? [] : [`(${Number(value.toPrecision(6))} s)`];
}

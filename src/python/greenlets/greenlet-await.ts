import { formatAddress } from '../../corefile/memory.ts';
import type { LiveFrame } from '../frames/frames.ts';
import { shortName } from '../frames/names.ts';
import { localOf, slotOf } from '../frames/slots.ts';
import { membersOf } from '../loaded-modules.ts';
import { enteredManagers } from '../locks/entered-managers.ts';
import { basesOf, isInstance, slotAttribute, wordsOf } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, TaskWait, TaskWaitKind } from '../process.ts';

/** What a suspended greenlet waits for. */
export interface GreenletWait {
  /** In words: the library function that its own code called, or the object that it waits for. */
  readonly what: string;
  readonly kind: TaskWaitKind;
  /** Objects that somebody may have to release, or greenlets that have to end. */
  readonly objects: readonly AwaitedObject[];
  readonly confidence: TaskWait['confidence'];
  readonly fd?: number;
  readonly deadline: Pick<TaskWait, 'timeoutSeconds' | 'limited'>;
}

export interface AwaitedObject {
  readonly address: bigint;
  /** That its frame has it at hand. */
  readonly evidence: readonly Evidence[];
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
    const deadline = this.#deadlineOf(inner, frames);
    if (called !== undefined) {
      const fd = this.#descriptorIn(inner);
      return {
        what: [calledName(called.frame), ...this.#details(inner)].join(' '),
        kind: kindOf(inner),
        // Where gevent is not compiled, `self` of its own functions may be the greenlet that is switched.
        objects: inner.filter(({ frame }) => !isSwitching(frame.function)).flatMap(frame => this.#selfOf(frame)),
        confidence: 'proven',
        ...(fd !== undefined && { fd }),
        deadline,
      };
    }
    const [innermost] = frames;
    const object = innermost && this.#objectOf(innermost);
    if (object === undefined) return undefined;
    const { name, ...awaited } = object;
    // Its method is compiled: a limit that this was given is not seen.
    return { what: name, kind: kindOfType(name), objects: [awaited], confidence: 'likely', deadline };
  }

  #selfOf(frame: LiveFrame): readonly AwaitedObject[] {
    const slot = attempt(() => slotOf(this.#heap, frame, 'self'));
    if (slot === undefined) return [];
    const { object, address, word } = slot;
    const text = `waits in ${frame.frame.function} of ${formatAddress(object)}`;
    return [{ address: object, evidence: [{ text, address, value: word, bytes: 8 }] }];
  }

  /** The least limit of the library's functions, and a `gevent.Timeout` whose block it is in. */
  #deadlineOf(inner: readonly LiveFrame[], frames: readonly LiveFrame[]): GreenletWait['deadline'] {
    const heap = this.#heap;
    const number = (object: bigint | undefined) =>
      object === undefined ? undefined : attempt(() => heap.number(object));
    const limits = inner.flatMap(frame => {
      const local = (name: string) => attempt(() => localOf(heap, frame, name));
      const own = isSocket(frame.frame.file) ? local('self') : undefined;
      const socket = own === undefined ? undefined : (attempt(() => heap.attribute(own, 'timeout')) ?? undefined);
      return [local('timeout'), socket, shortName(frame.frame.function) === 'sleep' ? local('seconds') : undefined]
        .map(number)
        .filter(limit => limit !== undefined && limit >= 0);
    });
    const blocks = [...enteredManagers(heap, frames).keys()].filter(
      object => attempt(() => heap.typeNameOf(object)?.endsWith('Timeout')) === true,
    );
    const given = blocks.map(object => number(attempt(() => heap.attribute(object, 'seconds'))));
    const known = [...limits, ...given].filter(limit => limit !== undefined);
    return {
      ...(known.length > 0 && { timeoutSeconds: Math.min(...known) }),
      ...((known.length > 0 || blocks.length > 0) && { limited: true }),
    };
  }

  #descriptorIn(frames: readonly LiveFrame[]): number | undefined {
    for (const frame of frames) {
      if (!isSocket(frame.frame.file)) continue;
      const own = attempt(() => localOf(this.#heap, frame, 'self'));
      const descriptor = own === undefined ? undefined : attempt(() => this.#descriptorOf(own));
      if (descriptor !== undefined) return descriptor;
    }
    return undefined;
  }

  /** Limit, descriptor and time-out, from the locals of the library's functions. */
  #details(frames: readonly LiveFrame[]): readonly string[] {
    return frames.flatMap(frame => {
      const local = (name: string) => attempt(() => localOf(this.#heap, frame, name));
      const last = shortName(frame.frame.function);
      if (last === 'sleep') return seconds(attempt(() => this.#heap.number(local('seconds') ?? 0n)));
      if (!isSocket(frame.frame.file)) return [];
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
  #objectOf(frame: LiveFrame): (AwaitedObject & { readonly name: string }) | undefined {
    const heap = this.#heap;
    const entered = enteredManagers(heap, [frame]);
    const words = attempt(() => heap.pointers(frame.stack, Math.min(frame.code.stackSize, wordLimit))) ?? [];
    const found = new Map<bigint, AwaitedObject & { readonly name: string }>();
    for (const [index, word] of words.entries()) {
      const value = heap.referent(word);
      if (value === 0n || value % 8n !== 0n) continue;
      for (const address of [value, attempt(() => heap.boundMethod(value)?.self)]) {
        const name = address === undefined || entered.has(address) ? undefined : attempt(() => this.#nameOf(address));
        if (address === undefined || name === undefined) continue;
        const text = `${frame.frame.function} at line ${frame.frame.line} works with ${formatAddress(value)}`;
        const evidence = [{ text, address: frame.stack + BigInt(8 * index), value: word, bytes: 8 } as const];
        found.set(address, { address, name, evidence });
      }
    }
    const [first, ...others] = found.values();
    return others.length > 0 ? undefined : first;
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

function isSocket(file: string): boolean {
  return /\/_?(?:socket|ssl)\w*\.py$/.test(file);
}

/** What the functions wait for that the service's own code called, the innermost first. */
function kindOf(inner: readonly LiveFrame[]): TaskWaitKind {
  const places = inner.map(({ frame: { function: name, file } }) => ({ name: shortName(name), file }));
  const isIn = (names: readonly string[]) => places.some(({ name }) => names.includes(name));
  if (places.some(({ file }) => isSocket(file))) return 'io';
  if (places.some(({ file }) => /\/queue\.pyc?$/i.test(file))) return 'queue';
  if (isIn(['wait'])) return 'event';
  if (isIn(['join', 'joinall'])) return 'task';
  if (isIn(['sleep'])) return 'sleep';
  return isIn(['acquire', '__enter__']) ? 'lock' : 'future';
}

function kindOfType(name: string): TaskWaitKind {
  if (name === 'greenlet') return 'task';
  if (name.endsWith('Semaphore')) return 'semaphore';
  return /Event$|Result$/.test(name) ? 'event' : 'queue';
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

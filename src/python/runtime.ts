import type { Segment } from '../corefile/core.ts';
import { formatAddress } from '../corefile/memory.ts';
import { HangarError, messageOf } from '../errors.ts';
import { describedLayout } from './debug-offsets.ts';
import { FrameReader } from './frames/frames.ts';
import type { Gil } from './gil.ts';
import type { Layout } from './layout.ts';
import { freeThreadedLayouts, layouts } from './layouts/index.ts';
import { attempt, Heap, MalformedPythonError } from './objects/heap.ts';
import { learnTypeNames } from './objects/type-names.ts';
import { findSymbol, hintedMinors, type PythonTarget, pythonNames, staticSegments } from './target.ts';

/** CPython's state in a process: a layout that fits it and the interpreters it leads to. */
export interface Runtime {
  readonly heap: Heap;
  /** `PyInterpreterState`, newest first; the last one is the main interpreter. */
  readonly interpreters: readonly bigint[];
  /** Address of `_PyRuntime`, where there is one. */
  readonly structure?: bigint;
  /** Address of the pointer to the thread state that holds the GIL, where a variable of its own says it. */
  readonly current?: bigint;
  /** Addresses of what waiters for that GIL sleep on, where they are static variables with a known name. */
  readonly gilQueues: Gil['queues'];
  /** Addresses of the flags that ask its holder to give it up and to stop, where they are static variables that were found. */
  readonly requests?: { readonly drop?: bigint; readonly breaker?: bigint };
  /** Start of `sys.version`. */
  readonly version?: string;
  readonly notes: readonly string[];
}

export type RuntimeSearch =
  | { readonly status: 'found'; readonly runtime: Runtime }
  /** No CPython in the process. */
  | { readonly status: 'absent' }
  /** There is one, and no layout fits it. */
  | { readonly status: 'unfit'; readonly what: string; readonly reasons: readonly string[] };

const interpreterLimit = 1024;
const threadLimit = 20_000;
/** Bytes of writable memory that a search goes through. */
const scanLimit = 64n << 20n;
/** Words that look like pointers to an interpreter, of which a search tries each. */
const hitLimit = 512;

/** Finds CPython's state by symbols, then by its own description, then by what static data points at. */
export function findRuntime(target: PythonTarget): RuntimeSearch {
  const { fitting, unknown } = choose(target);
  const reasons = unknown.map(minor => `there is no layout of Python ${minor}`);
  for (const propose of [bySymbol, byCookie, byScan])
    for (const layout of fitting)
      for (const make of propose(target, layout)) {
        const judged = judge(layout, make);
        if (typeof judged !== 'string') return { status: 'found', runtime: judged };
        reasons.push(judged);
      }
  const what = pythonNames(target)[0] ?? (findSymbol(target, '_PyRuntime') === undefined ? undefined : '_PyRuntime');
  if (what === undefined) return { status: 'absent' };
  return { status: 'unfit', what, reasons: [...new Set(reasons)].slice(0, 8) };
}

/** The layouts to try: those of the versions that names speak of, all where none does. */
function choose(target: PythonTarget): { fitting: readonly Layout[]; unknown: readonly string[] } {
  const hints = hintedMinors(target);
  const all = [...layouts, ...freeThreadedLayouts];
  if (hints.size === 0) return { fitting: all, unknown: [] };
  const known = new Set(layouts.map(({ minor }) => minor));
  return {
    fitting: all.filter(({ minor }) => hints.has(minor)),
    unknown: [...hints].filter(minor => !known.has(minor)),
  };
}

/** The candidate as a runtime, or why it is none. */
function judge({ minor }: Layout, make: () => Candidate): Runtime | string {
  try {
    const candidate = make();
    const refused = whyUnfit(candidate);
    return refused === undefined ? withVersion(candidate) : `layout ${minor}: ${refused}`;
  } catch (error) {
    if (error instanceof HangarError) return `layout ${minor}: ${error.message}`;
    throw error;
  }
}

/** Every `PyThreadState` of an interpreter, in list order. Ends on damage with what was found. */
export function listThreads(heap: Heap, interpreter: bigint): { threads: readonly bigint[]; stopped?: unknown } {
  const {
    interpreter: { threads: head },
    thread,
  } = heap.layout;
  return followList(
    () => heap.pointer(interpreter + BigInt(head)),
    state => {
      const owner = heap.pointer(state + BigInt(thread.interpreter));
      if (owner !== interpreter)
        throw new MalformedPythonError(
          `the thread state ${formatAddress(state)} points to ${formatAddress(owner)}, expected its interpreter ${formatAddress(interpreter)}`,
        );
      return heap.pointer(state + BigInt(thread.next));
    },
  );
}

function followList(
  first: () => bigint,
  next: (state: bigint) => bigint,
): { threads: readonly bigint[]; stopped?: unknown } {
  const found = new Set<bigint>();
  try {
    for (let state = first(); state !== 0n; ) {
      if (found.has(state))
        throw new MalformedPythonError(`the list of thread states comes back to ${formatAddress(state)}`);
      if (found.size >= threadLimit) throw new MalformedPythonError(`more than ${threadLimit} thread states`);
      const following = next(state);
      found.add(state);
      state = following;
    }
  } catch (stopped) {
    return { threads: [...found], stopped };
  }
  return { threads: [...found] };
}

type Candidate = Omit<Runtime, 'version'>;

/** Candidates are made one by one, each may fail by itself. */
type Candidates = Generator<() => Candidate>;

function* bySymbol(target: PythonTarget, layout: Layout): Candidates {
  const { runtime } = layout;
  switch (runtime.shape) {
    case 'runtime-struct': {
      const structure = findSymbol(target, runtime.symbol);
      if (structure !== undefined) yield () => structCandidate(target, layout, structure);
      return;
    }
    case 'static-head': {
      const head = findSymbol(target, runtime.head) ?? returnedVariable(target, 'PyInterpreterState_Head');
      if (head !== undefined)
        yield () => {
          const heap = new Heap(target.memory, layout);
          return headCandidate(target, heap, heap.pointer(head));
        };
      return;
    }
    default:
      runtime satisfies never;
  }
}

/**
 * The variable that an exported function does nothing but return, read from its code: a static name is lost when a file
 * is stripped, the function stays (Python/pystate.c, 2.7). Undefined for other code, and on other machines.
 */
function returnedVariable(target: PythonTarget, name: string): bigint | undefined {
  const start = findSymbol(target, name);
  if (start === undefined || target.core.machine !== 'x86_64') return undefined;
  return attempt(() => {
    const code = target.memory.read(start, 16);
    // endbr64, where the compiler put one.
    const at = code.readUInt32LE() === 0xfa1e0ff3 ? 4 : 0;
    // mov rax, [rip + displacement]; ret
    const isThat = code.readUIntBE(at, 3) === 0x488b05 && code[at + 7] === 0xc3;
    return isThat ? start + BigInt(at + 7 + code.readInt32LE(at + 3)) : undefined;
  });
}

/** A runtime that describes itself starts with a cookie. */
function* byCookie(target: PythonTarget, layout: Layout): Candidates {
  if (layout.runtime.shape !== 'runtime-struct' || !layout.debugOffsets) return;
  const cookie = Buffer.from(layout.debugOffsets.cookie);
  for (const { segment, bytes } of scanned(target))
    for (let at = bytes.indexOf(cookie); at >= 0; at = bytes.indexOf(cookie, at + 8))
      if (at % 8 === 0) yield () => structCandidate(target, layout, segment.address + BigInt(at));
}

/** Words of static data that point at an interpreter whose thread points back at it. */
function* byScan(target: PythonTarget, layout: Layout): Candidates {
  const heap = new Heap(target.memory, layout);
  const { runtime } = layout;
  switch (runtime.shape) {
    case 'runtime-struct': {
      const offset = BigInt(runtime.interpreters);
      const toMain = BigInt(runtime.mainInterpreter) - offset;
      // Two objects that point at each other look like an interpreter and its thread: the main one's place tells.
      const isHead = (location: bigint) => attempt(() => isInterpreter(heap, heap.pointer(location + toMain))) ?? false;
      for (const { location } of scanInterpreters(target, heap, isHead))
        yield () => structCandidate(target, layout, location - offset);
      return;
    }
    case 'static-head': {
      // Other static words point at one of the interpreters too: the head of the list reaches all of them.
      const hits = [...scanInterpreters(target, heap)];
      const byLength = hits
        .map(hit => ({ ...hit, length: chain(heap, hit.interpreter).length }))
        .toSorted((left, right) => right.length - left.length);
      for (const { interpreter, location } of byLength)
        yield () => headCandidate(target, new Heap(target.memory, layout), interpreter, location);
      return;
    }
    default:
      runtime satisfies never;
  }
}

function structCandidate({ memory }: PythonTarget, table: Layout, structure: bigint): Candidate {
  const { layout, notes } = describedLayout(new Heap(memory, table), structure);
  const heap = new Heap(memory, layout);
  const { runtime } = layout;
  if (runtime.shape !== 'runtime-struct') throw new MalformedPythonError('a described runtime is a structure');
  const interpreters = chain(heap, heap.pointer(structure + BigInt(runtime.interpreters)));
  const main = heap.pointer(structure + BigInt(runtime.mainInterpreter));
  // The main interpreter ends the list; before 3.13 it is the only check of the structure's own place.
  if (interpreters.at(-1) !== main) return { heap, interpreters: [], gilQueues: [], notes };
  heap.learnNamesBy(() => learnTypeNames(heap, main));
  return { heap, interpreters, structure, gilQueues: [], notes };
}

/** @param near a static word that points at the interpreter, when that is how it was found */
function headCandidate(target: PythonTarget, heap: Heap, head: bigint, near?: bigint): Candidate {
  const interpreters = chain(heap, head);
  const main = interpreters.at(-1);
  if (main !== undefined) heap.learnNamesBy(() => learnTypeNames(heap, main));
  const { runtime } = heap.layout;
  const named = runtime.shape === 'static-head' ? findSymbol(target, runtime.current) : undefined;
  const current = named ?? (near === undefined ? undefined : currentNear(heap, interpreters, near));
  const notes = current === undefined ? ['which thread holds the GIL is not known: its variable was not found'] : [];
  return {
    heap,
    interpreters,
    ...(current !== undefined && { current }),
    gilQueues: staticGilQueues(target, heap),
    requests: staticRequests(target, heap.layout),
    notes,
  };
}

function staticGilQueues(target: PythonTarget, heap: Heap): Gil['queues'] {
  const { gil } = heap.layout;
  if (gil.shape !== 'current-thread') return [];
  const find = (name: string | undefined) => (name === undefined ? undefined : findSymbol(target, name));
  const lock = find(gil.lock);
  // NULL until a second thread is started.
  const semaphore = lock === undefined ? undefined : attempt(() => heap.pointer(lock));
  return [
    semaphore === 0n ? undefined : semaphore,
    ...[gil.condition, gil.mutex, gil.switchCondition, gil.switchMutex].map(find),
  ].filter(each => each !== undefined);
}

function staticRequests(target: PythonTarget, { requests }: Layout): NonNullable<Runtime['requests']> {
  if (requests?.at !== 'static') return {};
  const drop = findSymbol(target, requests.drop);
  const breaker = findSymbol(target, requests.breaker);
  return { ...(drop !== undefined && { drop }), ...(breaker !== undefined && { breaker }) };
}

/** Bytes around the head of the list in which the variable of the current thread is looked for: one file's .bss. */
const neighbourhood = 4096;

/** The one static word close to the list's head that points at a thread state; undefined when none or several do. */
function currentNear(heap: Heap, interpreters: readonly bigint[], near: bigint): bigint | undefined {
  const states = new Set(interpreters.flatMap(interpreter => listThreads(heap, interpreter).threads));
  const start = near - BigInt(neighbourhood);
  const found: bigint[] = [];
  for (let at = start; at < near + BigInt(neighbourhood); at += 8n) {
    const word = attempt(() => heap.pointer(at));
    if (word !== undefined && states.has(word)) found.push(at);
  }
  return found.length === 1 ? found[0] : undefined;
}

/** Interpreters from one on; none when one of them is no interpreter. */
function chain(heap: Heap, head: bigint): readonly bigint[] {
  const { next } = heap.layout.interpreter;
  const found = new Set<bigint>();
  for (let at = head; at !== 0n && !found.has(at) && found.size < interpreterLimit; ) {
    const interpreter = at;
    if (!isInterpreter(heap, interpreter)) return [];
    const following = attempt(() => heap.pointer(interpreter + BigInt(next)));
    if (following === undefined) return [];
    found.add(at);
    at = following;
  }
  return [...found];
}

/** Whether its first thread state points back at it; an interpreter may have none. */
function isInterpreter(heap: Heap, address: bigint, mayIdle = true): boolean {
  const { interpreter, thread } = heap.layout;
  const found = attempt(() => {
    const state = heap.pointer(address + BigInt(interpreter.threads));
    if (state === 0n) return mayIdle;
    return state % 8n === 0n && heap.pointer(state + BigInt(thread.interpreter)) === address;
  });
  return found ?? false;
}

/** Why a candidate is not CPython's state in this layout; undefined when it fits. */
function whyUnfit({ heap, interpreters }: Candidate): string | undefined {
  if (interpreters.length === 0) return 'no interpreter at the place';
  const frames = new FrameReader(heap);
  let threads = 0;
  let good = false;
  let bad: unknown;
  for (const interpreter of interpreters)
    for (const thread of listThreads(heap, interpreter).threads) {
      threads++;
      // One frame that can be read will do.
      if (good) continue;
      const {
        frames: [innermost],
        stopped,
      } = frames.walk(thread, 1);
      if (innermost) good = true;
      else if (stopped !== undefined) bad ??= stopped;
    }
  if (threads === 0) return 'no thread state points back at its interpreter';
  const version = attempt(() => sysVersion(heap, interpreters));
  if (version !== undefined && !isOfMinor(version, heap.layout.minor)) return `sys.version says "${version}"`;
  if (!good && bad !== undefined) return messageOf(bad);
  if (!good && version === undefined) return 'neither a frame nor sys.version can be read';
  return undefined;
}

function withVersion(candidate: Candidate): Runtime {
  const version = attempt(() => sysVersion(candidate.heap, candidate.interpreters));
  return { ...candidate, ...(version !== undefined && { version }) };
}

/** Start of `sys.version` of the main interpreter. */
function sysVersion(heap: Heap, interpreters: readonly bigint[]): string | undefined {
  const main = interpreters.at(-1);
  if (main === undefined) return undefined;
  const dict = heap.pointer(main + BigInt(heap.layout.interpreter.sysDict));
  const value = heap.item(dict, 'version');
  const text = value === undefined ? undefined : heap.text(value, 64);
  return text === undefined ? undefined : /^\d+\.\d+\S*/.exec(text)?.[0];
}

function isOfMinor(version: string, minor: string): boolean {
  return version.startsWith(minor) && !/^\d/.test(version.slice(minor.length));
}

interface Hit {
  readonly location: bigint;
  readonly interpreter: bigint;
}

function* scanInterpreters(
  target: PythonTarget,
  heap: Heap,
  isWanted: (location: bigint) => boolean = () => true,
): Generator<Hit> {
  const known = new Map<bigint, boolean>();
  const isMapped = mappedWords(target);
  let hits = 0;
  for (const { segment, bytes } of scanned(target))
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      // Cheap tests first: most words are small numbers, text, or point to read-only data.
      const high = bytes.readUInt32LE(at + 4);
      const low = bytes.readUInt32LE(at);
      if (high > 0xffff || low % 8 !== 0 || (high === 0 && low < 4096)) continue;
      const address = bytes.readBigUInt64LE(at);
      if (!isMapped(address)) continue;
      let hit = known.get(address);
      if (hit === undefined) known.set(address, (hit = isInterpreter(heap, address, false)));
      const location = segment.address + BigInt(at);
      if (!hit || !isWanted(location)) continue;
      yield { location, interpreter: address };
      if (++hits >= hitLimit) return;
    }
}

/** Whether an address lies in writable memory. */
function mappedWords({ core }: PythonTarget): (address: bigint) => boolean {
  const ranges = core.segments
    .filter(({ writable }) => writable)
    .map(({ address, fileBytes }) => [address, address + fileBytes] as const);
  return address => {
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[middle]?.[0] ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    return address < (ranges[low - 1]?.[1] ?? 0n);
  };
}

function* scanned(target: PythonTarget): Generator<{ segment: Segment; bytes: Buffer }> {
  let left = scanLimit;
  const step = 1n << 20n;
  for (const segment of staticSegments(target))
    for (let done = 0n; done < segment.fileBytes && left > 0n; done += step) {
      const address = segment.address + done;
      const length = segment.fileBytes - done < step ? segment.fileBytes - done : step;
      left -= length;
      let bytes: Buffer | undefined;
      try {
        bytes = target.memory.read(address, Number(length));
      } catch (error) {
        if (!(error instanceof HangarError)) throw error;
      }
      if (bytes) yield { segment: { ...segment, address }, bytes };
    }
}

import { formatAddress } from '../../corefile/memory.ts';
import type { FrameReader, LiveFrame } from '../frames/frames.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { Evidence, PythonThread, PythonWait } from '../process.ts';
import { findSymbol, type PythonTarget } from '../target.ts';
import { awaitedWord } from './locks.ts';

/** Where the one import lock of the process (Python/import.c, up to 3.11) may keep itself and its owner: static variables. */
interface Variables {
  /** `import_lock`, a PyThread_type_lock: the address of its semaphore. */
  readonly lock: readonly bigint[];
  /** `import_lock_thread`, the owner's ident; -1 is nobody. */
  readonly owner: readonly bigint[];
  /** How they were found, for people. */
  readonly by: string;
}

/** Versions whose `import` takes that lock while a module's own code runs, and the opcode of an import. */
const importUnderGlobalLock: readonly { readonly minor: string; readonly importName: number }[] = [
  // Lib/opcode.py
  { minor: '2.7', importName: 108 },
];

/**
 * The threads, with the global import lock as what they wait for where nothing else was found that they do. Its variables
 * prove it and its owner; without them a thread that stands at an import in Python code, and one that runs a module's
 * code for an import, make it likely.
 */
export function settleImports(
  target: PythonTarget,
  heap: Heap,
  frames: FrameReader,
  threads: readonly PythonThread[],
): readonly PythonThread[] {
  const waiting = new Map<bigint, bigint>();
  for (const thread of threads) {
    const word = thread.waits === undefined && mayImport(heap, thread) ? endlessWord(target, thread.lwp) : undefined;
    if (word !== undefined) waiting.set(thread.address, word);
  }
  if (waiting.size === 0) return threads;
  const variables = findVariables(target, heap);
  const walked = new Map<bigint, readonly LiveFrame[]>();
  const framesOf = ({ address }: PythonThread) => {
    const known = walked.get(address) ?? frames.walk(address).frames;
    walked.set(address, known);
    return known;
  };
  return threads.map(thread => {
    const word = waiting.get(thread.address);
    if (word === undefined) return thread;
    const [innermost] = framesOf(thread);
    const waits =
      byVariables(heap, variables, word, innermost) ??
      byFrames(heap, word, { thread, innermost, threads, framesOf, waiting });
    return waits === undefined ? thread : { ...thread, waits };
  });
}

/** From 3.3 on that lock is taken for moments only, by importlib itself, or by a program through `imp`. */
function mayImport({ layout: { minor } }: Heap, { frames: [innermost] }: PythonThread): boolean {
  if (innermost === undefined) return false;
  if (importUnderGlobalLock.some(each => each.minor === minor)) return true;
  return /^<frozen importlib|\/imp\.py$/.test(innermost.file);
}

/** Address of the word that a thread waits on without a limit, as PyThread_acquire_lock does. */
function endlessWord({ core }: PythonTarget, lwp: number | undefined): bigint | undefined {
  const thread = core.threads.find(each => each.lwp === lwp);
  return thread?.syscall?.args[3] === 0n ? awaitedWord(thread) : undefined;
}

function findVariables(target: PythonTarget, heap: Heap): Variables {
  const lock = findSymbol(target, 'import_lock');
  const owner = findSymbol(target, 'import_lock_thread');
  if (lock !== undefined && owner !== undefined) return { lock: [lock], owner: [owner], by: 'its symbol' };
  const used = variablesOf(target, heap, '_PyImport_AcquireLock');
  return { lock: used, owner: used, by: 'the code of _PyImport_AcquireLock' };
}

/** Bytes of a function's code that are looked at. */
const codeBytes = 256;
/** One-byte opcodes with a memory operand, by how many bytes of a constant follow it: add, sub, cmp and mov. */
const operandOpcodes: ReadonlyMap<number, number> = new Map([
  [0x39, 0],
  [0x3b, 0],
  [0x89, 0],
  [0x8b, 0],
  [0x83, 1],
]);

/**
 * Static 64-bit variables that an exported function works with: names of such variables are lost when a file is
 * stripped, the function stays. x86-64 only. What is no such instruction may look like one: the values must decide.
 */
function variablesOf(target: PythonTarget, heap: Heap, name: string): readonly bigint[] {
  const start = findSymbol(target, name);
  if (start === undefined || target.core.machine !== 'x86_64') return [];
  const code = attempt(() => heap.read(start, codeBytes)) ?? Buffer.alloc(0);
  const found = new Set<bigint>();
  for (let at = 0; at + 8 <= code.length; at++) {
    const constant = operandOpcodes.get(code[at + 1] ?? 0);
    // REX.W, with or without an extended register; a displacement from the next instruction.
    const isWide = ((code[at] ?? 0) & 0xfb) === 0x48;
    const isRelative = ((code[at + 2] ?? 0) & 0xc7) === 0x05;
    if (constant === undefined || !isWide || !isRelative) continue;
    found.add(start + BigInt(at + 7 + constant + code.readInt32LE(at + 3)));
  }
  return [...found].filter(address => address % 8n === 0n);
}

function byVariables(
  heap: Heap,
  { lock, owner, by }: Variables,
  word: bigint,
  innermost: LiveFrame | undefined,
): PythonWait | undefined {
  const variable = lock.find(address => attempt(() => heap.pointer(address)) === word);
  if (variable === undefined) return undefined;
  const module = importedModule(heap, innermost);
  const owned = owner
    .filter(address => address !== variable)
    .flatMap(address => {
      const ident = attempt(() => heap.pointer(address));
      // A pthread_t is the address of the thread's own structure.
      return ident !== undefined && attempt(() => heap.pointer(ident)) === ident ? [{ address, ident }] : [];
    })[0];
  return {
    kind: 'import-lock',
    address: variable,
    frame: 0,
    confidence: 'proven',
    ...(owned && { ownerThreadId: owned.ident }),
    ...(module !== undefined && { module }),
    evidence: [
      ...moduleEvidence(module),
      {
        text: `the futex ${formatAddress(word)} is the semaphore of the global import lock, by ${by}`,
        address: variable,
        value: word,
        bytes: 8,
      },
      ...(owned
        ? [
            {
              text: `its owner is the thread ${formatAddress(owned.ident)}`,
              address: owned.address,
              value: owned.ident,
              bytes: 8,
            } as const,
          ]
        : []),
    ],
  };
}

interface Surroundings {
  readonly thread: PythonThread;
  readonly innermost: LiveFrame | undefined;
  readonly threads: readonly PythonThread[];
  readonly framesOf: (thread: PythonThread) => readonly LiveFrame[];
  /** Threads that wait for some futex without a limit → which. */
  readonly waiting: ReadonlyMap<bigint, bigint>;
}

function byFrames(heap: Heap, word: bigint, surroundings: Surroundings): PythonWait | undefined {
  const { thread, innermost, threads, framesOf, waiting } = surroundings;
  const module = importedModule(heap, innermost);
  if (innermost === undefined || module === undefined) return undefined;
  const importing = threads.filter(
    other =>
      other.address !== thread.address &&
      other.lwp !== undefined &&
      waiting.get(other.address) !== word &&
      runsModule(heap, framesOf(other)),
  );
  const [owner] = importing;
  if (owner === undefined || importing.length > 1) return undefined;
  const { frame } = innermost;
  return {
    kind: 'import-lock',
    address: word,
    frame: 0,
    confidence: 'likely',
    ownerThreadId: owner.threadId,
    ownerConfidence: 'likely',
    module,
    evidence: [
      ...moduleEvidence(module),
      { text: `${frame.function} at line ${frame.line} stands at that import, and waits for ${formatAddress(word)}` },
      { text: `thread ${owner.lwp} runs the code of a module for an import, as an owner of the import lock does` },
    ],
  };
}

function moduleEvidence(module: string | undefined): readonly Evidence[] {
  return module === undefined ? [] : [{ text: `it imports the module "${module}"` }];
}

/** Whether a frame executes a module's own code because the next one imports it. */
function runsModule(heap: Heap, frames: readonly LiveFrame[]): boolean {
  return frames.some(
    ({ frame }, index) => frame.function === '<module>' && importedModule(heap, frames[index + 1]) !== undefined,
  );
}

/** Name of the module that a frame is importing right now. */
function importedModule(heap: Heap, live: LiveFrame | undefined): string | undefined {
  const { minor, code: layout, opcodes, tuple } = heap.layout;
  const known = importUnderGlobalLock.find(each => each.minor === minor);
  if (known === undefined || live === undefined) return undefined;
  const { code, instruction } = live;
  return attempt(() => {
    const { bytecode } = code;
    const isImport =
      instruction >= 0 && instruction + 3 <= bytecode.length && bytecode[instruction] === known.importName;
    if (!isImport || opcodes.encoding !== 'mixed') return undefined;
    const index = bytecode.readUInt16LE(instruction + 1);
    // co_names stands right before co_varnames (Include/code.h).
    const names = heap.pointer(code.address + BigInt(layout.slotNames - 8));
    if (index >= heap.count(names + BigInt(tuple.length), 1 << 16)) return undefined;
    return heap.text(heap.pointer(names + BigInt(tuple.items + 8 * index)), 256);
  });
}

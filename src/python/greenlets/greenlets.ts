import { formatAddress } from '../../corefile/memory.ts';
import { HangarError, messageOf } from '../../errors.ts';
import type { FrameReader, LiveFrame } from '../frames/frames.ts';
import type { LocalsReader } from '../frames/locals.ts';
import { localOf } from '../frames/slots.ts';
import { gapOf } from '../gap.ts';
import { buildOf } from '../layout.ts';
import { membersOf } from '../loaded-modules.ts';
import { enteredManagers, wantedOf } from '../locks/entered-managers.ts';
import { isDerived } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import { findTracked } from '../objects/tracked-objects.ts';
import type {
  Evidence,
  PythonInterpreter,
  PythonProcess,
  PythonTask,
  PythonThread,
  TaskFrame,
  TaskHold,
  TaskWait,
} from '../process.ts';
import { readRequest } from '../requests/request.ts';
import { findSymbol, type PythonTarget } from '../target.ts';
import { GreenletWaits, waitingModules } from './greenlet-await.ts';
import type { GcLayout, GreenletLayout } from './greenlet-layout.ts';
import { gcLayouts, greenletLayouts } from './greenlet-layouts.ts';
import { type GreenletObject, type GreenletReader, readGreenlet } from './greenlet-object.ts';

export interface GreenletQuestion {
  readonly target: PythonTarget;
  readonly heap: Heap;
  /** Address of `_PyRuntime`, where there is one. */
  readonly structure?: bigint;
  readonly frames: FrameReader;
  /** Absent where variables were not asked for. */
  readonly locals?: LocalsReader;
  readonly interpreter: PythonInterpreter;
  /** Of all interpreters. */
  readonly threads: readonly PythonThread[];
  /** Of those named in `greenletModules`, the ones that the interpreter has loaded. */
  readonly modules: ReadonlyMap<string, bigint>;
  /** Heads of lists that were walked for another interpreter; this one's are added. */
  readonly walked: Set<bigint>;
}

/** Modules that are asked for types and version. */
export const greenletModules = ['greenlet', 'gevent.greenlet', ...waitingModules] as const;

/** Most greenlets of one interpreter that are read. */
export const greenletLimit = 1000;
/** Frames of one greenlet that are kept. */
const frameLimit = 256;
const what = 'greenlets';

/** The package, or where its objects are listed, is not known: nothing of it is read half. */
class UnreadableGreenletsError extends HangarError {
  constructor(message: string) {
    const fix = 'give the modules that ran, or ask for a layout of this release: --modules DIR';
    super({ code: 'GREENLETS_UNREADABLE', message, fix, failure: 'step' });
  }
}

export interface GreenletAnswer {
  readonly tasks: readonly PythonTask[];
  readonly gaps: PythonProcess['gaps'];
}

/**
 * Every greenlet of an interpreter that has not ended, with the Python frames that it stands in: those of its type among
 * the objects that the collector tracks, for nothing else lists them. None where the package greenlet was not loaded.
 */
export function readGreenlets(question: GreenletQuestion): GreenletAnswer {
  const module = question.modules.get('greenlet');
  if (module === undefined) return { tasks: [], gaps: [] };
  try {
    return greenletsOf(question, module);
  } catch (error) {
    return { tasks: [], gaps: [gapOf(what, error)] };
  }
}

function greenletsOf(question: GreenletQuestion, module: bigint): GreenletAnswer {
  const { heap, frames } = question;
  const { type, derived, layout } = learnPackage(question, module);
  const search = findTracked(heap, ...listsOf(question), each => isDerived(heap, each, type));
  const waits = new GreenletWaits(heap, question.modules, derived);
  const reader = new AllGreenlets({ heap, frames, layout }, waits, question);
  const tasks = reader.read(search.found);
  return { tasks, gaps: [...(search.stopped === undefined ? [] : [gapOf(what, search.stopped)]), ...reader.gaps()] };
}

interface GreenletPackage {
  /** `greenlet.greenlet` */
  readonly type: bigint;
  /** `gevent.Greenlet` */
  readonly derived: bigint | undefined;
  readonly layout: GreenletLayout;
}

function learnPackage({ heap, modules }: GreenletQuestion, module: bigint): GreenletPackage {
  const members = membersOf(heap, module, ['greenlet', '__version__']);
  const type = members.get('greenlet');
  const version = heap.text(members.get('__version__') ?? 0n, 32);
  if (type === undefined || version === undefined)
    throw new UnreadableGreenletsError('the module greenlet has no type or no version');
  // Names of types written in C are read-only data, which is had with the modules' files only.
  heap.nameType(type, 'greenlet.greenlet');
  const own = modules.get('gevent.greenlet');
  const derived = own === undefined ? undefined : attempt(() => membersOf(heap, own, ['Greenlet']).get('Greenlet'));
  if (derived !== undefined) heap.nameType(derived, 'Greenlet');
  return { type, derived, layout: layoutOf(buildOf(heap.layout), version) };
}

function layoutOf(minor: string, version: string): GreenletLayout {
  const layout = greenletLayouts.find(
    ({ minor: own, releases: [oldest, newest] }) =>
      own === minor && release(oldest) <= release(version) && release(version) <= release(newest),
  );
  if (layout !== undefined) return layout;
  throw new UnreadableGreenletsError(`there is no layout of greenlet ${version} for Python ${minor}`);
}

/** `3.2.4` → 3002: patch releases have the same structures. */
function release(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return 1000 * major + minor;
}

/** The collector's lists that were not walked before. */
function listsOf(question: GreenletQuestion): readonly [GcLayout, readonly bigint[]] {
  const { heap, walked } = question;
  const { minor } = heap.layout;
  const layout = gcLayouts.find(each => each.minor === minor);
  if (layout === undefined)
    throw new UnreadableGreenletsError(`there is no layout of the collector of Python ${minor}`);
  const start = startOfLists(question, layout);
  const heads = layout.heads.offsets.map(offset => start + BigInt(offset)).filter(head => !walked.has(head));
  for (const head of heads) walked.add(head);
  return [layout, heads];
}

function startOfLists({ heap, target, structure, interpreter }: GreenletQuestion, { heads }: GcLayout): bigint {
  switch (heads.in) {
    case 'interpreter':
      return interpreter.address;
    case 'runtime':
      if (structure === undefined) throw new UnreadableGreenletsError('the lists of the collector were not found');
      return structure;
    case 'variable': {
      const variable = findSymbol(target, heads.symbol);
      if (variable === undefined)
        throw new UnreadableGreenletsError(
          `the lists of the collector were not found: there is no symbol ${heads.symbol}`,
        );
      return heap.pointer(variable);
    }
    default:
      return heads satisfies never;
  }
}

/** Reads one greenlet after the other, joins them to their threads, and remembers what could not be read. */
class AllGreenlets {
  readonly #reader: GreenletReader;
  readonly #waits: GreenletWaits;
  readonly #question: GreenletQuestion;
  readonly #stacks: ThreadStacks;
  readonly #known = new Map<bigint, GreenletObject>();
  /** By object: the greenlets that are in its `with` block. */
  readonly #holders = new Map<bigint, readonly Holder[]>();
  #count = 0;
  #refused = 0;
  #broken = 0;
  #more = false;
  #reason: unknown;

  constructor(reader: GreenletReader, waits: GreenletWaits, question: GreenletQuestion) {
    this.#reader = reader;
    this.#waits = waits;
    this.#question = question;
    this.#stacks = new ThreadStacks(question);
  }

  read(addresses: readonly bigint[]): readonly PythonTask[] {
    this.#count = addresses.length;
    const living: GreenletObject[] = [];
    for (const address of addresses) {
      const greenlet = this.#object(address);
      if (greenlet === undefined || greenlet.state === 'ended') continue;
      if (living.length >= greenletLimit) {
        this.#more = true;
        break;
      }
      living.push(greenlet);
    }
    for (const greenlet of living) this.#learn(greenlet);
    const tasks = this.#families(living).flatMap(family => this.#tasksOf(family));
    const wanted = wantedOf(tasks, this.#question.threads);
    const holds = Map.groupBy(
      [...this.#holders.values()].flat().filter(({ hold }) => wanted.has(hold.address)),
      holder => holder.greenlet,
    );
    return tasks.map(task => {
      const held = holds.get(task.address)?.map(({ hold }) => hold);
      return held === undefined ? task : { ...task, holds: held };
    });
  }

  gaps(): PythonProcess['gaps'] {
    const why = messageOf(this.#reason);
    return [
      ...(this.#more ? [{ what, why: `there are more than ${greenletLimit}: the others were left out` }] : []),
      ...(this.#refused > 0 ? [{ what, why: `${this.#refused} of ${this.#count} could not be read: ${why}` }] : []),
      ...(this.#broken > 0
        ? [{ what, why: `the frames of ${this.#broken} of ${this.#count} could not be read to the end: ${why}` }]
        : []),
    ];
  }

  #object(address: bigint): GreenletObject | undefined {
    try {
      const greenlet = readGreenlet(this.#reader, address);
      if (greenlet.frames?.stopped !== undefined) {
        this.#note(greenlet.frames.stopped);
        this.#broken++;
      }
      return greenlet;
    } catch (error) {
      this.#note(error);
      this.#refused++;
      return undefined;
    }
  }

  #learn(greenlet: GreenletObject): void {
    const { heap } = this.#reader;
    this.#known.set(greenlet.address, greenlet);
    for (const [object, entered] of enteredManagers(heap, greenlet.frames?.frames.slice(0, frameLimit) ?? []))
      this.#holders.set(object, [
        { greenlet: greenlet.address, hold: { address: object, ...entered } },
        ...(this.#holders.get(object) ?? []),
      ]);
  }

  /** In words, and the greenlets that it waits for. */
  #awaited(greenlet: GreenletObject): Pick<PythonTask, 'awaits' | 'waitsFor' | 'waits'> {
    const wait = this.#waits.describe(greenlet.frames?.frames ?? []);
    if (wait === undefined) return {};
    const { what: text, kind, objects, confidence, fd, deadline } = wait;
    const owned = objects.flatMap(object => {
      const owner = this.#ownerOf(object.address);
      return owner === undefined || owner.greenlets.includes(greenlet.address) ? [] : [{ object, ...owner }];
    });
    const [other] = owned;
    const awaited = other?.object ?? objects[0];
    const waits: TaskWait = {
      kind,
      ...(awaited && { address: awaited.address }),
      confidence,
      ...(fd !== undefined && { fd }),
      ...deadline,
      evidence: [...(awaited?.evidence ?? []), ...(other?.evidence ?? [])],
    };
    const [first] = other?.greenlets ?? [];
    const known = first === undefined ? undefined : this.#known.get(first);
    if (other === undefined || known === undefined) return { awaits: text, waits };
    const relation = objects.some(({ address }) => address === first) ? '' : ', held by';
    return {
      awaits: `${text}${relation} ${text === 'greenlet' ? '' : 'greenlet '}"${nameOf(this.#reader.heap, known)}"`,
      waitsFor: other.greenlets,
      ...(other.greenlets.length > 1 && { anyWillDo: true }),
      waits,
    };
  }

  /** The greenlets that have to release an object, or that is it: gevent's `get_ident()` is a greenlet's address. */
  #ownerOf(
    object: bigint,
  ): { readonly greenlets: readonly bigint[]; readonly evidence: readonly Evidence[] } | undefined {
    const { heap } = this.#reader;
    if (this.#known.has(object)) return { greenlets: [object], evidence: [] };
    const holders = this.#holders.get(object) ?? [];
    if (holders.length > 0) return { greenlets: holders.map(({ greenlet }) => greenlet), evidence: [] };
    const named = attempt(() => heap.attributeSlot(object, '_owner'));
    const owner = named === undefined ? undefined : attempt(() => heap.integer(named.value));
    if (named === undefined || owner === undefined || !this.#known.has(owner)) return undefined;
    const text = `the lock ${formatAddress(object)} names the greenlet ${formatAddress(owner)} as its owner`;
    return { greenlets: [owner], evidence: [{ text, address: named.slot, value: named.value, bytes: 8 }] };
  }

  #note(error: unknown): void {
    if (!(error instanceof HangarError)) throw error;
    this.#reason ??= error;
  }

  /** Those of one thread each: parents lead to its main greenlet. */
  #families(greenlets: readonly GreenletObject[]): readonly Family[] {
    const known = new Map(greenlets.map(greenlet => [greenlet.address, greenlet]));
    const roots = new Map<bigint, bigint>();
    const families = Map.groupBy(greenlets, ({ address }) => rootOf(known, roots, address));
    return [...families].map(([root, members]) => ({ root, members }));
  }

  #tasksOf({ root, members }: Family): readonly PythonTask[] {
    const { heap } = this.#reader;
    // A thread that never had a second one: its frames say all.
    if (members.length === 1 && members[0]?.isMain === true && members[0].state === 'running') return [];
    // The same holds where all it has is a greenlet for itself.
    if (members.every(({ address, isMain }) => isMain || threadGreenlets.has(heap.typeNameOf(address) ?? '')))
      return [];
    const hub = members.find(({ address }) => heap.typeNameOf(address) === 'Hub');
    const lwp = members.map(({ stack }) => this.#stacks.threadAt(stack)).find(found => found !== undefined);
    return members.map(member => this.#task(member, { loop: hub?.address ?? root, ...(lwp !== undefined && { lwp }) }));
  }

  #task(greenlet: GreenletObject, { loop, lwp }: { readonly loop: bigint; readonly lwp?: number }): PythonTask {
    const { heap } = this.#reader;
    const { interpreter, threads } = this.#question;
    const live = greenlet.frames?.frames.slice(0, frameLimit) ?? [];
    const runner = lwp === undefined ? undefined : threads.find(thread => thread.lwp === lwp);
    const isRunning = greenlet.state === 'running';
    const request = isRunning ? runner?.request : readRequest(heap, live);
    const stack = isRunning ? (runner?.frames ?? []).map(placeOf) : live.map(frame => this.#standing(frame));
    return {
      kind: 'greenlet',
      address: greenlet.address,
      interpreter: runner?.interpreter ?? interpreter.id,
      name: nameOf(heap, greenlet),
      loop,
      ...(lwp !== undefined && { lwp }),
      ...(greenlet.address === loop && heap.typeNameOf(loop) === 'Hub' && { isHub: true }),
      state: isRunning ? 'running' : greenlet.state === 'new' ? 'ready' : 'waiting',
      stack: stack.slice(0, frameLimit),
      ...(greenlet.state === 'suspended' && this.#awaited(greenlet)),
      ...(request && { request }),
    };
  }

  #standing({ frame, ...slots }: NonNullable<GreenletObject['frames']>['frames'][number]): TaskFrame {
    const { locals } = this.#question;
    return { ...placeOf(frame), ...(locals && { locals: locals.read(slots) }) };
  }
}

/** gevent/threadpool.py: threads that work for greenlets, none of which ever runs in them. */
const threadGreenlets: ReadonlySet<string> = new Set(['_WorkerGreenlet']);

interface Holder {
  readonly greenlet: bigint;
  readonly hold: TaskHold;
}

interface Family {
  /** Address of the main greenlet, or of the outermost known. */
  readonly root: bigint;
  readonly members: readonly GreenletObject[];
}

/** A chain of parents ends at a main greenlet; one that comes back to itself is damage, and ends there. */
function rootOf(known: ReadonlyMap<bigint, GreenletObject>, roots: Map<bigint, bigint>, greenlet: bigint): bigint {
  const passed = new Set<bigint>();
  let at = greenlet;
  while (!roots.has(at) && !passed.has(at)) {
    passed.add(at);
    const parent = known.get(at)?.parent ?? 0n;
    if (parent === 0n) break;
    at = parent;
  }
  const root = roots.get(at) ?? at;
  for (const each of passed) roots.set(each, root);
  return root;
}

/** What it was named, else its class and the function that it runs. */
function nameOf(heap: Heap, { address, isMain, frames }: GreenletObject): string {
  const own = attempt(() => heap.attribute(address, 'name'));
  const name = own === undefined ? undefined : attempt(() => heap.text(own, 200));
  if (name !== undefined || isMain) return name ?? 'main greenlet';
  const kind = heap.typeNameOf(address)?.split('.').at(-1);
  const last = frames?.stopped === undefined ? frames?.frames.at(-1) : undefined;
  const outermost = last === undefined ? undefined : (threadName(heap, last) ?? last.frame.function);
  return [kind === undefined || kind === '' ? 'greenlet' : kind, outermost]
    .filter(part => part !== undefined)
    .join(' ');
}

/** Lib/threading.py, patched by gevent: a thread is a greenlet. */
function threadName(heap: Heap, frame: LiveFrame): string | undefined {
  if (!/(?:^|\.)_{1,2}bootstrap$/.test(frame.frame.function)) return undefined;
  return attempt(() => {
    const thread = localOf(heap, frame, 'self') ?? 0n;
    return heap.text(heap.attribute(thread, '_name', '_Thread__name') ?? 0n, 200);
  });
}

function placeOf({ function: name, file, line, locals }: TaskFrame): TaskFrame {
  return { function: name, file, line, ...(locals && { locals }) };
}

/** Whose C stack an address lies on: the memory around the stack pointer of a thread, which guard pages end. */
class ThreadStacks {
  readonly #stacks: readonly { readonly lwp: number; readonly start: bigint; readonly end: bigint }[];

  constructor({ target: { core }, threads }: GreenletQuestion) {
    const known = new Set(threads.map(({ lwp }) => lwp));
    this.#stacks = core.threads
      .filter(({ lwp }) => known.has(lwp))
      .flatMap(({ lwp, stackPointer }) => {
        const segment = core.segments.find(
          ({ address, memoryBytes }) => address <= stackPointer && stackPointer < address + memoryBytes,
        );
        return segment === undefined
          ? []
          : [{ lwp, start: segment.address, end: segment.address + segment.memoryBytes }];
      });
  }

  threadAt(address: bigint | undefined): number | undefined {
    if (address === undefined) return undefined;
    return this.#stacks.find(({ start, end }) => start <= address && address < end)?.lwp;
  }
}

import type { Evidence } from '../evidence.ts';
import { type Finding, type FindingClass, type Root, signatureOf } from '../finding.ts';
import { standingPlace } from '../origin.ts';
import type { Confidence, JudgedThread, Wait } from '../thread.ts';
import type { WaitGraph } from '../wait-graph.ts';

/** Finds one class of cause. Pure; rules do not see each other's findings, so their conditions exclude each other. */
export type Rule = (graph: WaitGraph) => readonly Finding[];

/** A thread that waits, and how sure it is that its wait is a cause. */
export interface WaitingThread {
  readonly thread: JudgedThread;
  readonly waits: Wait;
  readonly confidence: Confidence;
}

/** A wait or sleep that ends within this many seconds is a program's own care, not a hang. */
export const patienceSeconds = 30;

/** Whether a thread moved on while it was watched, or will soon. */
export function isPassing(thread: JudgedThread): boolean {
  return thread.moved === true || endsSoon(thread);
}

/** Whether a thread's wait ends by itself before long: a limit of unknown length is taken for a short one. */
export function endsSoon({ waits }: JudgedThread): boolean {
  return waits?.limited === true && (waits.timeoutSeconds ?? 0) < patienceSeconds;
}

export function finding(kind: FindingClass, rest: Omit<Finding, 'class' | 'signature'>): Finding {
  return { class: kind, ...rest, signature: signatureOf(kind, rest.roots) };
}

/** Innermost frame of the service's own code; for a thread without Python the innermost named C function. */
export function rootOf(thread: JudgedThread): Root {
  const { lwp } = thread;
  const stands = standingPlace(thread.python);
  if (stands !== undefined) return { lwp, ...stands };
  const native = thread.native.find(({ function: name }) => name !== undefined) ?? thread.native[0];
  return {
    lwp,
    function: native?.function ?? thread.wchan ?? '(unknown)',
    file:
      native?.file ?? native?.module ?? thread.runningModule ?? (thread.wchan === undefined ? '(unknown)' : 'kernel'),
    line: native?.line ?? 0,
  };
}

/** What is of one kind is one cause: groups of that, in order. */
export function alike<T>(items: readonly T[], kindOf: (item: T) => string): readonly (readonly T[])[] {
  return [...Map.groupBy(items, kindOf).values()];
}

/**
 * Threads that stand in the same function of the same file are one cause; those of which less is known stand apart, so as
 * not to weaken what is known of the others.
 */
export function alikeThreads<T extends { readonly thread: JudgedThread; readonly confidence: Confidence }>(
  items: readonly T[],
): readonly (readonly T[])[] {
  return alike(items, ({ thread, confidence }) => {
    const { function: name, file } = rootOf(thread);
    return `${name} ${file} ${confidence === 'suspected'}`;
  });
}

/** `thread 7`, `threads 7 and 9`, `5 threads` */
export function named(group: readonly JudgedThread[]): string {
  const [only] = group;
  if (group.length === 1 && only !== undefined) return `thread ${only.lwp}`;
  return group.length > namedThreads ? threads(group.length) : `threads ${enumerate(group.map(({ lwp }) => lwp))}`;
}

/** More are counted; the evidence names each. */
const namedThreads = 3;

/** Each place once. */
export function places(roots: readonly Root[]): string {
  return enumerate([...new Set(roots.map(place))]);
}

/** `count_orders (/srv/shop.py:9)` */
export function place({ function: name, file, line }: Omit<Root, 'lwp'>): string {
  return `${name} (${file}${line === 0 ? '' : `:${line}`})`;
}

/** `; 3 threads wait for it`, or nothing. */
export function stops(victims: readonly number[], roots: readonly Root[]): string {
  if (victims.length === 0) return '';
  return `; ${threads(victims.length)} ${victims.length === 1 ? 'waits' : 'wait'} for ${roots.length === 1 ? 'it' : 'them'}`;
}

function threads(count: number): string {
  return `${count} ${count === 1 ? 'thread' : 'threads'}`;
}

/** `a`, `a and b`, `a, b and c` */
export function enumerate(items: readonly (string | number)[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** `a, b, c and 5 more`, where there are more than `shown` */
export function enumerateFirst(items: readonly (string | number)[], shown = 3): string {
  return enumerate(items.length <= shown ? items : [...items.slice(0, shown), `${items.length - shown} more`]);
}

/** Threads whose evidence is told, of those that wait for one thing. */
export const toldThreads = 16;

/** The entries, each with the thread it was read of. */
export function evidenceOf(thread: JudgedThread, entries: readonly Evidence[]): readonly Evidence[] {
  return entries.map(entry => ({ ...entry, text: `thread ${thread.lwp}: ${entry.text}` }));
}

/** That a thread waits, for what, and that it stands there; nothing of one that does not wait. */
export function waitEvidence(thread: JudgedThread | undefined): readonly Evidence[] {
  if (thread?.waits === undefined) return [];
  return [...evidenceOf(thread, thread.waits.evidence), ...heldGilEvidence(thread), ...sampledEvidence(thread)];
}

/** Why others wait for some threads: what these hold of what is wanted, and those waits; that for the GIL is told with its holder. */
export function wantedEvidence(graph: WaitGraph, wanted: readonly JudgedThread[]): readonly Evidence[] {
  return wanted
    .flatMap(thread => (graph.edgesInto.get(thread.lwp) ?? []).map(edge => ({ thread, edge })))
    .filter(({ edge }) => edge.kind !== 'gil')
    .slice(0, toldThreads)
    .flatMap(({ thread, edge }) => [
      ...evidenceOf(
        thread,
        thread.holds.filter(({ address }) => address === edge.address).flatMap(({ evidence }) => evidence),
      ),
      ...waitEvidence(graph.threads.get(edge.from)),
    ]);
}

/** That a thread holds the GIL, which one that blocks should have given up; nothing of others. */
export function heldGilEvidence(thread: JudgedThread): readonly Evidence[] {
  return thread.gil === 'holds' ? evidenceOf(thread, thread.gilEvidence ?? [{ text: 'holds the GIL' }]) : [];
}

/** What /proc's samples said; nothing when there were none. */
export function sampledEvidence(thread: JudgedThread): readonly Evidence[] {
  const { states, cpuPercent, wantedPercent = 0, moved } = thread;
  if (states.length < 2) return [];
  const running = states.filter(state => state === 'running').length;
  const cpu = cpuPercent === undefined ? '' : `, ${Math.round(cpuPercent)} % CPU`;
  const waited = wantedPercent > (cpuPercent ?? 0) + 10 ? ` of ${Math.round(wantedPercent)} % that it wanted` : '';
  const stood = moved === false ? ', no context switch between them' : '';
  return evidenceOf(thread, [
    { text: `running in ${running} of ${states.length} samples of /proc${cpu}${waited}${stood}` },
  ]);
}

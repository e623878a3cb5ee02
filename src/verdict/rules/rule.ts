import type { Evidence } from '../evidence.ts';
import { type Finding, type FindingClass, type Root, signatureOf } from '../finding.ts';
import { applicationFrame } from '../origin.ts';
import type { JudgedThread } from '../thread.ts';
import type { WaitGraph } from '../wait-graph.ts';

/** Finds one class of cause. Pure; rules do not see each other's findings, so their conditions exclude each other. */
export type Rule = (graph: WaitGraph) => readonly Finding[];

/** A wait or sleep that ends within this many seconds is a program's own care, not a hang. */
export const patienceSeconds = 30;

export function finding(kind: FindingClass, rest: Omit<Finding, 'class' | 'signature'>): Finding {
  return { class: kind, ...rest, signature: signatureOf(kind, rest.roots) };
}

/** Innermost frame of the service's own code; for a thread without Python the innermost named C function. */
export function rootOf(thread: JudgedThread): Root {
  const { lwp } = thread;
  const frame = applicationFrame(thread.python);
  if (frame !== undefined) return { lwp, function: frame.function, file: frame.file, line: frame.line };
  const native = thread.native.find(({ function: name }) => name !== undefined) ?? thread.native[0];
  return {
    lwp,
    function: native?.function ?? thread.running ?? '(unknown)',
    file: native?.file ?? native?.module ?? thread.runningModule ?? '(unknown)',
    line: native?.line ?? 0,
  };
}

/** `count_orders (/srv/shop.py:9)` */
export function place({ function: name, file, line }: Root): string {
  return `${name} (${file}${line === 0 ? '' : `:${line}`})`;
}

/** `; 3 threads wait for it`, or nothing. */
export function stops(victims: readonly number[], whom = 'it'): string {
  return victims.length === 0
    ? ''
    : `; ${threads(victims.length)} ${victims.length === 1 ? 'waits' : 'wait'} for ${whom}`;
}

export function threads(count: number): string {
  return `${count} ${count === 1 ? 'thread' : 'threads'}`;
}

/** `a`, `a and b`, `a, b and c` */
export function enumerate(items: readonly (string | number)[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** Each entry once, with the thread it was read of. */
export function evidenceOf(thread: JudgedThread, entries: readonly Evidence[]): readonly Evidence[] {
  return entries.map(entry => ({ ...entry, text: `thread ${thread.lwp}: ${entry.text}` }));
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

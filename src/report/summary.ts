import { enumerate } from '../verdict/rules/rule.ts';
import type { Report, ReportFinding, ReportTask, ReportThread } from './schema.ts';
import { waitForEachOther } from './suspended-work.ts';

export interface SummaryInput {
  readonly findings: Report['findings'];
  readonly threads: Report['threads'];
  readonly gaps: Report['gaps'];
  readonly tasks?: readonly ReportTask[];
  readonly notice?: string;
}

/** The report's first line: notice, cause, place, source text, request; or that nothing hangs. */
export function summaryOf({ findings, threads, gaps, tasks = [], notice }: SummaryInput): string {
  const [first] = findings;
  const cause =
    first === undefined ? noCause(threads, gaps, tasks) : causeOf(first, findings.length - 1, { threads, tasks });
  const circle = first === undefined ? undefined : waitForEachOther(untold(tasks, findings));
  return [notice, cause, circle && `And ${circle}.`].filter(part => part !== undefined).join(' ');
}

/** Whose frames were not read may hang all the same. */
function noCause(threads: readonly ReportThread[], gaps: Report['gaps'], tasks: readonly ReportTask[]): string {
  if (gaps.some(({ what }) => what === coreGap))
    return `No cause was found: no core was to be had, and what /proc says of ${counted(threads.length)} names none.`;
  const unread = gaps.filter(({ what }) => what.startsWith(framesGap)).length;
  if (unread > 0)
    return `No cause was found, but of ${unread} of ${counted(threads.length)} the Python frames could not be read: take the core again.`;
  const circle = waitForEachOther(tasks);
  if (circle !== undefined) return `No thread hangs, but ${circle}.`;
  const idle = threads.filter(({ role }) => role === 'idle').length;
  const state = threads.length === 1 ? (idle === 1 ? 'idle' : 'at work') : `${idle} of them idle`;
  return `Nothing hangs: ${counted(threads.length)}, ${state}, and no cause found${childOf(threads)}.`;
}

/** Tasks that no finding names. */
function untold(tasks: readonly ReportTask[], findings: Report['findings']): readonly ReportTask[] {
  const told = new Set(findings.flatMap(({ roots, tasks: stopped = [] }) => [...roots.map(taskOf), ...stopped]));
  return tasks.filter(({ address }) => !told.has(address));
}

function taskOf({ task }: ReportFinding['roots'][number]): string | undefined {
  return task?.address;
}

/** A parent is as good as its children: whether one of them hangs is not in its own memory. */
function childOf(threads: readonly ReportThread[]): string {
  const waiting = threads.find(({ waits }) => waits?.kind === 'child');
  if (waiting === undefined) return '';
  const { lwp, waits } = waiting;
  const child = waits?.pid === undefined ? 'a child process' : `child process ${waits.pid}`;
  return `; thread ${lwp} waits for ${child}: if that one hangs, look at it`;
}

function counted(threads: number): string {
  return `${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** What an analysis of the evidence alone names as its gap. */
export const coreGap = 'core';

/** How a gap begins that says that the frames of a thread broke off (src/python). */
const framesGap = 'Python frames of ';

/** What runs, or is suspended, and may serve requests. */
interface Workers {
  readonly threads: readonly ReportThread[];
  readonly tasks: readonly ReportTask[];
}

function causeOf(finding: ReportFinding, others: number, workers: Workers): string {
  const requests = requestsOf(finding, workers);
  const behind = waitingRequests(finding, workers).filter(request => !requests.includes(request));
  return [
    `${label(finding)}: ${withSource(finding, workers.threads)}`,
    requests.length === 0 ? '' : `; ${requests.length === 1 ? 'request' : 'requests'} ${listed(requests)}`,
    behind.length === 0 ? '' : `; behind ${finding.roots.length === 1 ? 'it' : 'them'} ${listed(behind)}`,
    others === 0 ? '.' : `; and ${others} more ${others === 1 ? 'finding' : 'findings'}.`,
  ].join('');
}

/** The finding's sentence with the text of each root's line after its place. */
function withSource({ summary, roots }: ReportFinding, threads: readonly ReportThread[]): string {
  const texts = new Map<string, string>();
  for (const root of roots) {
    const text = sourceLine(
      threads.find(({ lwp }) => lwp === root.lwp),
      root,
    );
    if (text !== undefined) texts.set(`(${root.file}:${root.line})`, text);
  }
  return [...texts].reduce(
    (sentence, [place, text]) => sentence.replace(place, () => `${place.slice(0, -1)}: \`${text}\`)`),
    summary,
  );
}

/** `busy-loop`, `busy-loop (likely)` */
export function label({ class: kind, confidence }: ReportFinding): string {
  return confidence === 'proven' ? kind : `${kind} (${confidence})`;
}

/** Text of the root's line, where the file as it ran, or one that was given, is known. */
function sourceLine(thread: ReportThread | undefined, root: ReportFinding['roots'][number]): string | undefined {
  const frame = thread?.python.find(({ file, line }) => file === root.file && line === root.line);
  const source = root.task === undefined ? frame?.source : root.source;
  if (source === undefined || source.status === 'absent' || source.status === 'changed-since') return undefined;
  const text = source.lines[root.line - source.firstLine]?.trim();
  return text === '' ? undefined : text;
}

function requestsOf({ roots }: ReportFinding, workers: Workers): readonly string[] {
  return distinct(roots.map(root => requestOf(root, workers)));
}

/** The request that a root answers: its task's, or its thread's. */
export function requestOf(
  { lwp, task }: ReportFinding['roots'][number],
  { threads, tasks }: Workers,
): ReportThread['request'] {
  return task === undefined
    ? threads.find(thread => thread.lwp === lwp)?.request
    : tasks.find(({ address }) => address === task.address)?.request;
}

/** Those of suspended tasks that wait; those of threads are told with these. */
function waitingRequests({ tasks: stopped = [] }: ReportFinding, { tasks }: Workers): readonly string[] {
  const waiting = new Set(stopped);
  return distinct(tasks.map(({ address, request }) => (waiting.has(address ?? '') ? request : undefined)));
}

function distinct(requests: readonly (ReportThread['request'] | undefined)[]): readonly string[] {
  return [
    ...new Set(requests.flatMap(request => (request === undefined ? [] : [`${request.method} ${request.path}`]))),
  ];
}

/** Requests that are named. */
const namedRequests = 3;

function listed(requests: readonly string[]): string {
  if (requests.length <= namedRequests) return enumerate(requests);
  return `${requests.slice(0, namedRequests).join(', ')} and ${requests.length - namedRequests} more`;
}

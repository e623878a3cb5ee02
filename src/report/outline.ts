import { nounOfKind, titleOf } from '../verdict/task-names.ts';
import { unknownHost } from './build-report.ts';
import { awaitedGils, gilWaiters } from './interpreter.ts';
import { localVariables } from './local-variables.ts';
import { isStandardLibrary, shortPlace } from './place.ts';
import type { Report, ReportFinding, ReportThread } from './schema.ts';
import { stoppedRequests } from './stopped-requests.ts';
import { label, requestOf } from './summary.ts';
import { stoppedTasks, suspendedWork } from './suspended-work.ts';

/** What a reader sees, before it becomes text, Markdown or HTML: data as it is, not yet escaped. */
export interface Outline {
  readonly headline: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'code'; readonly lines: readonly CodeLine[] }
  | { readonly kind: 'section'; readonly title: string; readonly blocks: readonly Block[] }
  /** Too long for one screen: left out of text. */
  | { readonly kind: 'folded'; readonly title: string; readonly blocks: readonly Block[] };

export interface CodeLine {
  readonly text: string;
  /** The line that was being executed. */
  readonly marked?: boolean;
}

export function outlineOf(report: Report): Outline {
  return {
    headline: report.summary,
    blocks: [
      { kind: 'paragraph', text: subjectOf(report) },
      ...list(candidatesOf(report)),
      ...report.findings.map((finding, index) => findingSection(report, finding, index + 1)),
      ...section('Who waits for whom', list([...awaitedGils(report), ...waitsOf(report)])),
      ...section('Threads', [...list(threadCounts(report)), ...report.threads.map(threadDetail)]),
      ...suspendedWork(report),
      ...localVariables(report),
      ...section('Not read', list(gapsOf(report))),
      {
        kind: 'folded',
        title: 'Modules and timings',
        blocks: [...list(modulesOf(report)), ...list(timingsOf(report))],
      },
    ],
  };
}

function subjectOf({ host, process, capture, recovery }: Report): string {
  const { stoppedSeconds, storedBytes, coreBytes } = capture ?? {};
  return [
    ...(host.name === unknownHost ? [] : [host.name]),
    `pid ${process.pid} ${process.command.join(' ').replaceAll(/\s+/g, ' ').trim() || process.executable}`,
    process.pythons.length === 0 ? 'no Python' : `Python ${process.pythons.join(', ')}`,
    ...(process.service === undefined ? [] : [`service ${process.service}`]),
    ...(coreBytes === undefined
      ? []
      : [`core ${megabytes(coreBytes)}${storedBytes === undefined ? '' : `, stored as ${megabytes(storedBytes)}`}`]),
    ...(stoppedSeconds === undefined ? [] : [`stood still for ${tidy(stoppedSeconds)} s`]),
    ...(recovery === undefined ? [] : [recoveryOf(recovery)]),
  ].join(' · ');
}

function recoveryOf({ mode, service, succeeded, downSeconds }: NonNullable<Report['recovery']>): string {
  const what = mode === 'worker' ? `worker of ${service}` : service;
  if (!succeeded) return `${what} did NOT come back`;
  return `${what} is back${downSeconds === undefined ? '' : ` after ${tidy(downSeconds)} s down`}`;
}

function candidatesOf({ candidates = [] }: Report): readonly string[] {
  if (candidates.length < 2) return candidates.map(({ state, reasons }) => `${state}: ${reasons.join('; ')}`);
  return candidates.map(
    ({ pid, state, reasons, chosen }) => `pid ${pid}${chosen ? ', chosen' : ''}: ${state}: ${reasons.join('; ')}`,
  );
}

function findingSection(report: Report, finding: ReportFinding, number: number): Block {
  const { summary, victims, next, evidence } = finding;
  const stopped = stoppedRequests(report.threads, victims);
  return {
    kind: 'section',
    title: `${number}. ${label(finding)}: ${summary}`,
    blocks: [
      ...placesOf(report, finding),
      ...list(evidence.map(evidenceLine)),
      ...(victims.length === 0 ? [] : [{ kind: 'paragraph', text: `waiting for it: ${victims.join(', ')}` } as const]),
      ...(stopped === undefined ? [] : [{ kind: 'paragraph', text: `stops ${stopped}` } as const]),
      ...stoppedTasks(report, finding),
      { kind: 'paragraph', text: `next: ${next}` },
    ],
  };
}

/** Each root's place with the source around it, as far as it is known to be what ran. */
function placesOf({ threads, tasks = [] }: Report, { roots }: ReportFinding): readonly Block[] {
  const seen = new Set<string>();
  return roots.flatMap((root): readonly Block[] => {
    const place = `${root.file}:${root.line}`;
    if (root.line === 0 || seen.has(place)) return [];
    seen.add(place);
    const thread = threads.find(({ lwp }) => lwp === root.lwp);
    const own = thread?.python.find(({ file, line }) => file === root.file && line === root.line)?.source;
    const source = root.task === undefined ? own : root.source;
    const request = requestOf(root, { threads, tasks });
    const serving = request === undefined ? '' : `, serving ${request.method} ${request.path}`;
    const suspended = root.task === undefined ? '' : `, a ${nounOfKind(root.task.kind)} of`;
    const heading = {
      kind: 'paragraph',
      text: `${place} in ${root.function}${suspended === '' ? ',' : suspended} thread ${root.lwp}${serving}${sourceNote(source?.status)}`,
    } as const;
    if (source === undefined || source.lines.length === 0) return [heading];
    const lines = source.lines.map((text, index) => {
      const line = source.firstLine + index;
      return { text: `${String(line).padStart(5)}  ${text}`, marked: line === root.line };
    });
    return [heading, { kind: 'code', lines }];
  });
}

function sourceNote(status: string | undefined): string {
  return status === undefined ? '' : (sourceNotes[status] ?? '');
}

const sourceNotes: Readonly<Record<string, string>> = {
  'changed-since': ' (the file has changed since; its lines may not be what ran)',
  absent: ' (source not available)',
  given: ' (source as given)',
};

function evidenceLine({ text, address, value }: ReportFinding['evidence'][number]): string {
  return address === undefined ? text : `${text} [${address}${value === undefined ? '' : ` = ${value}`}]`;
}

function waitsOf({ threads, tasks = [] }: Report): readonly string[] {
  return threads.flatMap(thread => {
    const { lwp, waits } = thread;
    if (waits === undefined || (waits.owner === undefined && thread.role !== 'application')) return [];
    return [`${lwp} ${placeOf(thread)} → ${waitText(waits)}${holderText(waits.ownerTask, tasks) ?? ownerText(thread)}`];
  });
}

/** ` ← task "a" of thread 12` */
function holderText(address: string | undefined, tasks: NonNullable<Report['tasks']>): string | undefined {
  const task = address === undefined ? undefined : tasks.find(each => each.address === address);
  if (task === undefined) return undefined;
  return ` ← ${titleOf(task)}${task.lwp === undefined ? '' : ` of thread ${task.lwp}`}`;
}

/** ` ← thread 12`; of a semaphore, ` ← any of threads 12, 13`, ` ← perhaps thread 12` where others hold permits besides. */
function ownerText({ lwp, waits }: ReportThread): string {
  const { owner, holders = [] } = waits ?? {};
  const sure = owner === undefined ? 'perhaps ' : '';
  if (holders.length > 1) {
    const more = holders.length > shownHolders ? ` and ${holders.length - shownHolders} more` : '';
    return ` ← ${sure}any of threads ${holders.slice(0, shownHolders).join(', ')}${more}`;
  }
  const one = owner ?? holders[0];
  return one === undefined ? '' : ` ← ${sure}thread ${one}${one === lwp ? ' (itself)' : ''}`;
}

const shownHolders = 4;

export function waitText({
  kind,
  address,
  peer,
  fd,
  syscall,
  timeoutSeconds,
  socketTimeoutSeconds,
  confidence,
}: NonNullable<ReportThread['waits']>): string {
  const isCall = kind === 'io' || kind === 'child' || kind === 'unknown';
  return [
    isCall && syscall !== undefined ? `${kind} (${syscall}${fd === undefined ? '' : ` on descriptor ${fd}`})` : kind,
    ...(address === undefined ? [] : [address]),
    ...(peer === undefined ? [] : [`peer ${peer}`]),
    ...(timeoutSeconds === undefined ? [] : [`for up to ${tidy(timeoutSeconds)} s`]),
    ...(socketTimeoutSeconds === null ? ['through a socket without time-out'] : []),
    ...(confidence === 'proven' ? [] : [`(${confidence})`]),
  ].join(' ');
}

/** Place of the innermost frame that is not the standard library's, else of the innermost. */
function placeOf({ python, native, name }: ReportThread): string {
  const frame = python.find(({ file }) => !isStandardLibrary(file)) ?? python[0];
  if (frame !== undefined) return shortPlace(frame);
  return native.find(({ function: called }) => called !== undefined)?.function ?? name ?? 'thread';
}

function threadCounts({ threads, interpreters }: Report): readonly string[] {
  const roles = (['application', 'idle', 'runtime'] as const).flatMap(role => {
    const count = threads.filter(thread => thread.role === role).length;
    return count === 0 ? [] : [`${count} ${role}`];
  });
  const holders = threads.filter(({ gil }) => gil === 'holds');
  const idle = threads.filter(({ role }) => role === 'idle');
  const kinds = new Map<string, number>();
  for (const { waits } of idle) kinds.set(waits?.kind ?? 'nothing', (kinds.get(waits?.kind ?? 'nothing') ?? 0) + 1);
  return [
    `${threads.length} ${threads.length === 1 ? 'thread' : 'threads'}: ${roles.join(', ')}`,
    ...holders.map(holder => {
      const waiters = gilWaiters({ threads, interpreters }, holder.lwp);
      const waiting = waiters === 0 ? '' : `; ${waiters} ${waiters === 1 ? 'waits' : 'wait'} for it`;
      return `${holders.length === 1 ? 'the' : 'a'} GIL is held by thread ${holder.lwp} ${placeOf(holder)}${waiting}`;
    }),
    ...(idle.length === 0 ? [] : [`idle: ${[...kinds].map(([kind, count]) => `${count} in ${kind}`).join(', ')}`]),
  ];
}

function threadDetail(thread: ReportThread): Block {
  const { lwp, name, role, state, cpuPercent, gil, waits, holds, python, native, stack, request } = thread;
  const facts = [
    role,
    ...(name === undefined ? [] : [name]),
    ...(state === undefined ? [] : [state]),
    ...(cpuPercent === undefined ? [] : [`${tidy(cpuPercent)} % CPU`]),
    ...(gil === 'none' ? [] : [`${gil} ${gil === 'holds' ? 'the GIL' : 'for the GIL'}`]),
    ...(waits === undefined
      ? []
      : [`waits: ${waitText(waits)}${waits.owner === undefined ? '' : `, owner ${waits.owner}`}`]),
    ...holds.map(
      ({ kind, address, at }) => `holds ${kind} ${address}${at === undefined ? '' : ` since ${at.file}:${at.line}`}`,
    ),
    ...(request === undefined ? [] : [`${request.method} ${request.path}`]),
  ];
  const lines = stack.map((entry): CodeLine => {
    const frame = 'python' in entry ? python[Number(entry.python)] : undefined;
    if (frame !== undefined) return { text: `py  ${frame.function}  ${frame.file}:${frame.line}` };
    const called = 'native' in entry ? native[Number(entry.native)] : undefined;
    const place = called?.file === undefined ? (called?.module ?? '') : `${called.file}:${called.line ?? 0}`;
    return { text: `C   ${called?.function ?? '??'}  ${place}` };
  });
  const code: readonly Block[] = lines.length === 0 ? [] : [{ kind: 'code', lines }];
  return { kind: 'folded', title: `Thread ${lwp}: ${facts.join(', ')}`, blocks: code };
}

function gapsOf({ gaps }: Report): readonly string[] {
  return gaps.map(({ what, why, fix }) => `${what}: ${why}${fix === undefined ? '' : `; fix: ${fix}`}`);
}

function modulesOf({ modules }: Report): readonly string[] {
  return modules.map(({ path, buildId = 'no build-id', file, symbols, package: owner }) =>
    [path, buildId, file, `symbols ${symbols}`, ...(owner === undefined ? [] : [owner])].join(' · '),
  );
}

function timingsOf({ timings }: Report): readonly string[] {
  return timings.map(({ stage, seconds }) => `${stage}: ${tidy(seconds)} s`);
}

function list(items: readonly string[]): readonly Block[] {
  return items.length === 0 ? [] : [{ kind: 'list', items }];
}

function section(title: string, blocks: readonly Block[]): readonly Block[] {
  return blocks.length === 0 ? [] : [{ kind: 'section', title, blocks }];
}

function megabytes(bytes: number): string {
  return `${tidy(bytes / 1e6)} MB`;
}

function tidy(value: number): string {
  return String(Number(value.toPrecision(3)));
}

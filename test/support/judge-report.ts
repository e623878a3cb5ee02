import type { Report } from '../../src/report/schema.ts';
import type { ThreadTruth, Truth } from './targets.ts';

/** Everything in which a report on a target is not what the target's source says; empty: it is right. */
export function wrongIn(report: Report, truth: Truth): readonly string[] {
  return [
    ...truth.threads.flatMap(thread => [...wrongThread(report, thread, truth), ...wrongOwner(report, thread, truth)]),
    ...absent(report, truth),
    ...forbidden(report, truth),
    ...unexpected(report, truth),
  ];
}

function wrongThread(report: Report, thread: ThreadTruth, { file }: Truth): readonly string[] {
  const { lwp, startedFor, place } = thread;
  const found = report.threads.find(each => each.lwp === lwp);
  if (found === undefined) return [`thread ${lwp} (${startedFor}) is missing`];
  if (place === undefined) return [];
  const own = found.python.find(frame => frame.file === file);
  // Threads that only move between places have no line of their own.
  const moves = place.role === 'gil' || (place.role === 'idle' && place.what !== '');
  const isThere = own !== undefined && place.lines.includes(own.line) && baseName(own.function) === place.function;
  const stands =
    moves || isThere
      ? []
      : [`thread ${lwp} stands in ${own?.function}:${own?.line}, expected ${place.function}:${place.lines.join('|')}`];
  switch (place.role) {
    case 'hang': {
      const finding = report.findings.find(
        ({ class: kind, roots }) => kind === place.what && roots.some(root => root.lwp === lwp),
      );
      if (finding === undefined)
        return [...stands, `no ${place.what} finding has thread ${lwp} (${startedFor}) as a root`];
      const root = finding.roots.find(each => each.lwp === lwp);
      const isRight = root !== undefined && root.file === file && place.lines.includes(root.line);
      return isRight ? stands : [...stands, `the root of ${place.what} is ${root?.function}:${root?.line}`];
    }
    case 'victim':
      return found.waits?.kind === place.what
        ? stands
        : [...stands, `thread ${lwp} waits for ${found.waits?.kind}, expected ${place.what}`];
    case 'idle':
      return found.role === 'application' && place.what === ''
        ? [...stands, `thread ${lwp} (${startedFor}) is ${found.role}, expected idle`]
        : stands;
    case 'gil':
      return wrongWait(report, found, place.what);
    case 'holds':
      return stands;
    default:
      return place.role satisfies never;
  }
}

/** A thread that only works: a victim of who keeps the GIL, or nobody's. */
function wrongWait({ findings }: Report, { lwp, waits }: Report['threads'][number], what: string): readonly string[] {
  const isVictim = findings.some(({ confidence, victims }) => confidence !== 'suspected' && victims.includes(lwp));
  switch (what) {
    case 'waits':
      return isVictim && waits?.kind === 'gil'
        ? []
        : [`thread ${lwp} waits for ${waits?.kind}, expected to be a victim that waits for the GIL`];
    case 'free':
      return isVictim ? [`thread ${lwp} is a victim, expected to go on`] : [];
    default:
      return [];
  }
}

/** The program knows who has to act before a thread goes on: a lock's holder, a thread that is joined. */
function wrongOwner({ threads }: Report, { lwp, place }: ThreadTruth, truth: Truth): readonly string[] {
  if (place?.of === undefined) return [];
  const startedFor = place.of === 'main' ? '<module>' : place.of;
  const right = truth.threads.filter(each => each.startedFor === startedFor).map(each => each.lwp);
  const owner = threads.find(each => each.lwp === lwp)?.waits?.owner;
  return owner !== undefined && right.includes(owner)
    ? []
    : [`thread ${lwp} waits for thread ${owner}, expected ${startedFor}: ${right.join('|')}`];
}

function absent({ findings }: Report, { also = [] }: Truth): readonly string[] {
  return also
    .filter(kind => !findings.some(each => [each.class, `${each.class} ${each.confidence}`].includes(kind)))
    .map(kind => `no ${kind} was found`);
}

function forbidden({ findings }: Report, { never }: Truth): readonly string[] {
  return findings.flatMap(({ class: kind, confidence, summary }) => {
    const isForbidden = never.some(each => each === 'any' || each === kind || each === `${kind} ${confidence}`);
    return isForbidden ? [`must not be found: ${kind} (${confidence}): ${summary}`] : [];
  });
}

/** A cause that the source does not have, claimed with more than suspicion. */
function unexpected({ findings }: Report, { threads, also = [] }: Truth): readonly string[] {
  const known = new Set([
    ...also.map(each => each.split(' ')[0] ?? ''),
    ...threads.flatMap(({ place }) => (place?.role === 'hang' ? [place.what] : [])),
  ]);
  // Who waits for a lock may be told so; only who holds it needs proof.
  if (threads.some(({ place }) => place?.role === 'victim')) known.add('lock-wait');
  return findings
    .filter(({ class: kind, confidence }) => !known.has(kind) && confidence !== 'suspected')
    .map(({ class: kind, confidence, summary }) => `not in the source: ${kind} (${confidence}): ${summary}`);
}

/** `Worker.run.<locals>.work` → `work` */
function baseName(name: string): string {
  return name.split('.').at(-1) ?? name;
}

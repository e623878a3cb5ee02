import type { Report } from '../../src/report/schema.ts';
import type { ThreadTruth, Truth } from './targets.ts';

/** Everything in which a report on a target is not what the target's source says; empty: it is right. */
export function wrongIn(report: Report, truth: Truth): readonly string[] {
  return [
    ...truth.threads.flatMap(thread => wrongThread(report, thread, truth)),
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
    case 'holds':
      return stands;
    default:
      return place.role satisfies never;
  }
}

function forbidden({ findings }: Report, { never }: Truth): readonly string[] {
  return findings.flatMap(({ class: kind, confidence, summary }) => {
    const isForbidden = never.some(each => each === 'any' || each === kind || each === `${kind} ${confidence}`);
    return isForbidden ? [`must not be found: ${kind} (${confidence}): ${summary}`] : [];
  });
}

/** A cause that the source does not have, claimed with more than suspicion. */
function unexpected({ findings }: Report, { threads }: Truth): readonly string[] {
  const known = new Set(threads.flatMap(({ place }) => (place?.role === 'hang' ? [place.what] : [])));
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

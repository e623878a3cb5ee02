import type { ReportThread } from './schema.ts';

/**
 * The requests that some threads answer, by method and path alone, those of most threads first:
 * `GET /order (threads 12, 14), POST /pay (thread 15)`. Undefined where none of them answers one.
 */
export function stoppedRequests(threads: readonly ReportThread[], lwps: readonly number[]): string | undefined {
  const wanted = new Set(lwps);
  const answering = threads.flatMap(({ lwp, request }) =>
    request !== undefined && wanted.has(lwp) ? [{ lwp, name: nameOf(request) }] : [],
  );
  const groups = [...Map.groupBy(answering, ({ name }) => name)].toSorted(([, a], [, b]) => b.length - a.length);
  if (groups.length === 0) return undefined;
  const told = groups.slice(0, shownRequests).map(([name, group]) => `${name} (${named(group.map(({ lwp }) => lwp))})`);
  const others = groups.slice(shownRequests).reduce((sum, [, group]) => sum + group.length, 0);
  return `${told.join(', ')}${others === 0 ? '' : ` and ${others} ${others === 1 ? 'thread' : 'threads'} with other requests`}`;
}

const shownRequests = 6;
const shownThreads = 4;
/** A path may be as long as its sender likes. */
const shownPath = 120;

/** What differs between two calls of one place is left out: the query, also where it was asked to be shown. */
function nameOf({ method, path }: NonNullable<ReportThread['request']>): string {
  const bare = path.replace(/[?#].*$/s, '');
  return `${method} ${bare.length > shownPath ? `${bare.slice(0, shownPath)}…` : bare}`;
}

/** `thread 12`, `threads 12, 14`, `threads 12, 14, 15, 16 and 5 more` */
function named(lwps: readonly number[]): string {
  const more = lwps.length > shownThreads ? ` and ${lwps.length - shownThreads} more` : '';
  return `${lwps.length === 1 ? 'thread' : 'threads'} ${lwps.slice(0, shownThreads).join(', ')}${more}`;
}

import { neutralise } from '../../harmless.ts';
import type { CheckResult, Compliance } from '../schema.ts';
import { detailsOf } from './details.ts';
import { countByState, type HostOutline, outlineOf } from './outline.ts';

/** For a terminal: what is wrong, why, and what to type; what is right is counted. */
export function renderText(value: Compliance): string {
  const { headline, about, hosts, lists } = outlineOf(value);
  const open = hosts.filter(hasMore);
  const quiet = hosts.filter(host => !hasMore(host));
  const lines = [
    headline,
    about,
    ...open.flatMap(host => ['', ...hostLines(host)]),
    ...lists.flatMap(({ title, items }) => ['', title, ...items.map(item => `  ${item}`)]),
    ...(quiet.length === 0 ? [] : ['', ...quiet.map(({ title, settledCount }) => commaed(title, settledCount))]),
  ];
  return `${lines.map(neutralise).join('\n')}\n`;
}

function hasMore({ standing, error, open }: HostOutline): boolean {
  return open.length > 0 || error !== undefined || standing === 'not ready' || standing === 'unknown';
}

function hostLines({ title, about, standing, error, open, settledCount }: HostOutline): readonly string[] {
  // The reason stands above: an unknown check has none of its own.
  const isCounted = (check: CheckResult) => standing === 'unknown' && check.state === 'unknown';
  return [
    `${title} (${about})`,
    ...(error === undefined ? [] : [`  ${error.code}: ${error.message}`, `  fix: ${error.fix}`]),
    ...unknownLines(open.filter(isCounted)),
    ...open.filter(check => !isCounted(check)).flatMap(checkLines),
    ...(settledCount === '' ? [] : [`  ${settledCount}`]),
  ];
}

function unknownLines(checks: readonly CheckResult[]): readonly string[] {
  if (checks.length === 0) return [];
  const times = [...new Set(checks.map(({ lastKnownAt }) => lastKnownAt))];
  const lastKnown = times.map(at => {
    const then = checks.filter(({ lastKnownAt }) => lastKnownAt === at).map(({ lastKnownState }) => lastKnownState);
    return at === undefined
      ? `${then.length} never known`
      : `at ${at} ${countByState(then.map(state => state ?? 'known'))}`;
  });
  return [`  ${checks.length} unknown; last known: ${lastKnown.join('; ')}`];
}

function checkLines(check: CheckResult): readonly string[] {
  return [`  ${check.state}  ${check.id}`, ...detailsOf(check).map(([name, text]) => `    ${name}: ${text}`)];
}

function commaed(...parts: readonly string[]): string {
  return parts.filter(part => part !== '').join(', ');
}

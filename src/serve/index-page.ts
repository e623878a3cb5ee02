import { escapeHtml } from '../harmless.ts';
import type { ServeStatus } from './metrics.ts';
import { type ScheduleStatus, shortTime } from './scheduler.ts';

export interface IndexPage extends ServeStatus {
  /** Path of a page of this server, with what lets its reader in. */
  readonly link: (path: string) => string;
  readonly hasCompliance: boolean;
}

/** The schedules with what became of their last runs. */
export function renderIndex({ startedAt, isFleetValid, schedules, link, hasCompliance }: IndexPage): string {
  const links = [
    ...(hasCompliance ? [`<a href="${escapeHtml(link('/compliance'))}">compliance</a>`] : []),
    '<a href="/metrics">metrics</a>',
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>schedules</title>
<style>${style}</style>
</head>
<body>
<h1>schedules</h1>
<p>serve runs since ${shortTime(startedAt)}${isFleetValid ? '' : '; <strong>the fleet file is invalid now</strong>'} · ${links.join(' · ')}</p>
<table>
<thead><tr>${columns.map(name => `<th>${name}</th>`).join('')}</tr></thead>
<tbody>
${schedules.map(status => rowOf(status, link)).join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.25rem } table { border-collapse: collapse } th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top }
.good { color: #1a6b2c } .bad { color: #a3161a }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #1b1b1b } a { color: #8ab4f8 } .good { color: #7fd195 } .bad { color: #ff9a9a } }
`;

const columns = ['schedule', 'runs', 'when', 'last start', 'result', 'last success', 'next', 'skipped'];

function rowOf({ schedule, last, isRunning, next, skipped }: ScheduleStatus, link: IndexPage['link']): string {
  const { id, runbook, host, cron, timezone } = schedule;
  const cells = [
    escapeHtml(id),
    escapeHtml(`${runbook} on ${host}`),
    escapeHtml(timezone === undefined ? cron : `${cron} ${timezone}`),
    last === undefined ? 'never' : timeOf(last.startedAt),
    resultOf(last, isRunning, link),
    last?.lastSuccessAt === undefined ? 'never' : timeOf(last.lastSuccessAt),
    next === undefined ? 'never' : shortTime(next),
    String(skipped),
  ];
  return `<tr>${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`;
}

function resultOf(last: ScheduleStatus['last'], isRunning: boolean, link: IndexPage['link']): string {
  if (isRunning) return 'at work';
  if (last === undefined) return '';
  const { exitCode, seconds = 0, run, problem } = last;
  if (exitCode === undefined) return '<span class="bad">serve ended before it</span>';
  const isGood = exitCode === 0 || exitCode === 4;
  const text = `${isGood ? 'ended' : 'failed'} with ${exitCode} after ${seconds.toFixed(1)} s`;
  const result = `<span class="${isGood ? 'good' : 'bad'}">${text}</span>`;
  const why = problem === undefined ? '' : `<br>${escapeHtml(problem)}`;
  return `${run === undefined ? result : `<a href="${escapeHtml(link(`/runs/${run}`))}">${result}</a>`}${why}`;
}

function timeOf(time: string): string {
  return escapeHtml(shortTime(new Date(time)));
}

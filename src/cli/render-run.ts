import { type ReportFormat, renderReport } from '../report/render.ts';
import { reportSchema } from '../report/schema.ts';
import type { HostRun, Run, StepRun } from '../run/run.ts';
import { describeHostRun } from '../steps/describe-host-run.ts';

/** A run for people, or as its one JSON document. */
export function renderRun(run: Run, format: ReportFormat): string {
  if (format === 'json') return JSON.stringify(run, null, 2);
  return [...fleetFindings(run), ...run.hosts.map(host => renderHost(host, run, format))].join('\n');
}

/** What several hosts have in common comes first. */
function fleetFindings({ hosts, findings }: Run): readonly string[] {
  if (hosts.length < 2) return [];
  return [...findings.map(({ summary, hosts: names }) => `${names.join(', ')}: ${summary}`), ''];
}

function renderHost(host: HostRun, run: Run, format: ReportFormat): string {
  const report = reportSchema.safeParse(host.report);
  const lines = describeHostRun(host, run.run);
  if (!report.success) return lines.join('\n');
  const header = run.hosts.length > 1 && format !== 'html' ? [`${host.name}:`] : [];
  const problems = host.status === 'succeeded' ? [] : lines;
  return [...header, ...problems, renderReport(report.data, format)].join('\n');
}

/** A probe for people: what was found, and what would run. */
export function renderProbe({ runbook, hosts }: Run): string {
  return [
    `probe of "${runbook}": what only reads was run, nothing else`,
    ...hosts.flatMap(({ name, steps, error }) => [
      '',
      `${name}:`,
      ...(error === undefined || steps.length > 0 ? [] : [`  ${error.code}: ${error.message}`, `  fix: ${error.fix}`]),
      ...steps.flatMap(renderStep),
    ]),
  ].join('\n');
}

/** A run with all its steps: their state, times, attempts and exact commands. */
export function renderSteps({ hosts }: Run): string {
  return hosts
    .flatMap(({ name, status, steps }) => ['', `${name}: ${status}`, ...steps.flatMap(renderStep)])
    .join('\n');
}

function renderStep(step: StepRun): readonly string[] {
  const { id, status, reason, attempts, seconds, error, commands = [], items = [] } = step;
  const notes = [
    ...(attempts > 0 ? [`${seconds.toFixed(1)} s`] : []),
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(items.length > 0 ? [`${items.length} items`] : []),
    ...(step.reused === true ? ['done before the run was taken up again'] : []),
    ...(step.rescued === true ? ['rescued'] : []),
    ...(step.forgiven === true ? ['passed over'] : []),
  ];
  const what = reason === 'probe' ? 'would run' : reason === undefined ? status : `${status}: ${reason}`;
  return [
    `  ${id}: ${what}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`,
    ...(error === undefined ? [] : [`    ${error.code}: ${error.message}`, `    fix: ${error.fix}`]),
    ...commands.map(command => `    $ ${command}`),
  ];
}

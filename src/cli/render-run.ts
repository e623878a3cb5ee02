import { deviations } from '../compliance/judge-host.ts';
import { hostComplianceSchema } from '../compliance/schema.ts';
import { escapeHtml } from '../harmless.ts';
import type { ReportFormat } from '../report/formats.ts';
import { renderReport } from '../report/render.ts';
import { reportSchema } from '../report/schema.ts';
import type { HostRun, Run, StepRun } from '../run/run.ts';
import { describeHostRun } from '../steps/describe-host-run.ts';

/** A run for people, or as its one JSON document. */
export function renderRun(run: Run, format: ReportFormat): string {
  if (format === 'json') return JSON.stringify(run, null, 2);
  if (!run.hosts.some(({ report }) => report !== undefined)) return renderPlain(run, format);
  return [...fleetFindings(run), ...run.hosts.map(host => renderHost(host, run, format))].join('\n');
}

/** A run without reports has no more than lines. */
function renderPlain(run: Run, format: ReportFormat): string {
  const lines = run.hosts.flatMap(host => describeHostRun(host, run.run)).join('\n');
  switch (format) {
    case 'markdown':
      return `# ${run.runbook}: ${run.status}\n\n\`\`\`\n${lines}\n\`\`\``;
    case 'html':
      return `<!doctype html>\n<meta charset="utf-8">\n<title>${escapeHtml(run.runbook)}</title>\n<h1>${escapeHtml(`${run.runbook}: ${run.status}`)}</h1>\n<pre>${escapeHtml(lines)}</pre>`;
    case 'text':
    case 'json':
      return lines;
    default:
      return format satisfies never;
  }
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
    ...(renderChecks(step.outputs) ?? renderOutputs(step.outputs)),
  ];
}

/** Of a check of a host what is not as it should be. */
function renderChecks(outputs: unknown): readonly string[] | undefined {
  const found = hostComplianceSchema.safeParse(outputs).data;
  if (found === undefined) return undefined;
  const lines = deviations(found.checks);
  return lines.length === 0
    ? [`    ${found.checks.length} checks, all as they should be`]
    : lines.map(line => `    ${line}`);
}

/** What people look for first: the last lines that were printed; the rest is in `--format json`. */
function renderOutputs(outputs: unknown): readonly string[] {
  if (typeof outputs !== 'object' || outputs === null) return [];
  return Object.entries(outputs).flatMap(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const lines = text.trimEnd().split('\n');
    if (text.trim() === '') return [];
    const shown = lines
      .slice(-shownLines)
      .map(line => (line.length > shownColumns ? `${line.slice(0, shownColumns)}…` : line));
    if (lines.length === 1) return [`    ${name}: ${shown[0]}`];
    const more = lines.length > shownLines ? ` (the last ${shownLines} of ${lines.length} lines)` : '';
    return [`    ${name}:${more}`, ...shown.map(line => `      ${line}`)];
  });
}

const shownLines = 10;
const shownColumns = 200;

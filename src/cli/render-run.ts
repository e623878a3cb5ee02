import { type ReportFormat, renderReport } from '../report/render.ts';
import { reportSchema } from '../report/schema.ts';
import type { HostRun, Run } from '../runbook/run.ts';
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

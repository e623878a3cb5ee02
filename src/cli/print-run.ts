import { type ComplianceFormat, complianceFormats, renderCompliance } from '../compliance/formats/index.ts';
import type { Compliance } from '../compliance/schema.ts';
import { HangarError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Run } from '../run/run.ts';
import type { ParamValues, Runbook } from '../runbook/runbook.ts';
import type { Incident } from '../steps/incident.ts';
import { checksOf, keepCompliance } from './compliance.ts';
import type { GlobalOptions, Io } from './io.ts';
import { printResult, reportFormat, writeOutput } from './output.ts';
import { renderRun } from './render-run.ts';

/** A form of the compliance that is written to a file beside what is printed. */
export interface Written {
  readonly format: ComplianceFormat;
  readonly path: string;
}

export interface PrintedRun {
  readonly runbook: Runbook<Incident>;
  readonly params: ParamValues;
  readonly fleet: Fleet | undefined;
  readonly written?: readonly Written[];
  /** Shows what is different from the run before. */
  readonly diff?: boolean;
}

/** Prints what a run gave, keeps what it says of the hosts' compliance, and gives its exit code. */
export async function printRun(run: Run, about: PrintedRun, options: GlobalOptions, io: Io): Promise<number> {
  const { runbook, params, fleet, written = [], diff = false } = about;
  const checks = checksOf(runbook);
  if (checks === 'none' || (checks === 'some' && run.hosts.every(host => host.compliance === undefined))) {
    printResult(renderRun(run, reportFormat(options)), options, io);
    return run.exitCode;
  }
  const { compliance, damaged } = await keepCompliance(run, { state: options.state, fleet, params });
  for (const { file, problem } of damaged) io.stderr.write(`an earlier result is left out: ${file}: ${problem}\n`);
  const shown = diff ? compliance : withoutDiff(compliance);
  for (const { format, path } of written) writeOutput(path, renderCompliance(shown, format));
  printResult(rendered(run, shown, checks, options), options, io);
  return checks === 'only' ? worse(run.exitCode, compliance.exitCode) : run.exitCode;
}

function withoutDiff(compliance: Compliance): Compliance {
  const { diff, ...rest } = compliance;
  return diff === undefined ? compliance : rest;
}

function rendered(run: Run, compliance: Compliance, checks: 'some' | 'only', options: GlobalOptions): string {
  const { format } = options;
  if (format === 'json') return JSON.stringify({ ...run, compliance }, null, 2);
  const text = renderCompliance(compliance, format);
  return checks === 'only' || format !== 'text' ? text : `${renderRun(run, format)}\n\n${text}`;
}

/** The first of these that occurred (contract, `Exit codes`). */
function worse(a: number, b: number): number {
  return [1, 2, 3, 5, 6, 7, 4].find(code => code === a || code === b) ?? 0;
}

/** `junit=FILE`. @throws HangarError `USAGE` */
export function parseWritten(text: string): Written {
  const [name, path = ''] = text.split(/=(.*)/s);
  const format = complianceFormats.find(each => each === name);
  if (format !== undefined && path !== '') return { format, path };
  throw new HangarError({
    code: 'USAGE',
    message: `--write ${text}: expected FORM=FILE`,
    fix: `name one of ${complianceFormats.join(', ')} and a file: --write junit=compliance.xml`,
    failure: 'usage',
  });
}

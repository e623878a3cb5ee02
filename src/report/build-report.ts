import type { Module } from '../corefile/module.ts';
import type { Verdict } from '../verdict/judge.ts';
import { reportFinding } from './finding.ts';
import { reportInterpreter } from './interpreter.ts';
import type { Report } from './schema.ts';
import { summaryOf } from './summary.ts';
import { reportTask } from './task.ts';
import { reportThread, type SourceLookup } from './thread.ts';

/** Of a core that was given without its host. */
export const unknownHost = 'unknown';

export interface ReportInput {
  readonly verdict: Verdict;
  readonly case: string;
  readonly host: Report['host'];
  readonly process: Report['process'];
  readonly candidates?: Report['candidates'];
  readonly capture?: Report['capture'];
  readonly recovery?: Report['recovery'];
  readonly sources?: SourceLookup;
  readonly modules?: readonly (Module & ModuleDetail)[];
  /** `path` → name and version of the package that owns it. */
  readonly packages?: Readonly<Record<string, string>>;
  /** Beside the verdict's own. */
  readonly gaps?: Report['gaps'];
  readonly timings?: Report['timings'];
  /** Shows the query string of request paths, which may hold secrets. */
  readonly showQuery?: boolean;
  /** Comes before everything else, e.g. that a service is still down and how to restart it. */
  readonly notice?: string;
}

export interface ModuleDetail {
  /** Default: full with a debug file, dynamic with the module alone, else none. */
  readonly symbols?: 'full' | 'dynamic' | 'none';
}

/** The one typed result of an analysis; every rendering is made of it. */
export function buildReport(input: ReportInput): Report {
  const { verdict, sources, showQuery = false } = input;
  const threads = verdict.threads.map(thread => reportThread(thread, { ...(sources && { sources }), showQuery }));
  const findings = verdict.findings.map(finding => reportFinding(finding, sources));
  const gaps = [...verdict.gaps, ...(input.gaps ?? [])];
  const tasks = verdict.tasks?.map(task => reportTask(task, showQuery));
  return {
    schema: 'hangar.report/1',
    case: input.case,
    summary: summaryOf({
      findings,
      threads,
      gaps,
      tasks: tasks ?? [],
      ...(input.notice !== undefined && { notice: input.notice }),
    }),
    ...(input.notice !== undefined && { notice: input.notice }),
    host: input.host,
    process: input.process,
    ...(input.candidates && { candidates: input.candidates }),
    ...(input.capture && { capture: input.capture }),
    ...(input.recovery && { recovery: input.recovery }),
    findings,
    threads,
    ...(verdict.interpreters && { interpreters: verdict.interpreters.map(reportInterpreter) }),
    ...(tasks && { tasks }),
    modules: (input.modules ?? []).map(module => reportModule(module, input.packages ?? {})),
    gaps,
    timings: [...(input.timings ?? [])],
  };
}

function reportModule(
  module: Module & ModuleDetail,
  packages: Readonly<Record<string, string>>,
): Report['modules'][number] {
  const { name, path = name, buildId, file, symbols = symbolsOf(module) } = module;
  const owner = packages[path] ?? packages[name];
  return {
    path,
    ...(buildId !== undefined && { buildId }),
    file: file.status,
    symbols,
    ...(owner !== undefined && { package: owner }),
  };
}

function symbolsOf({ file }: Module): 'full' | 'dynamic' | 'none' {
  if (file.status !== 'found') return 'none';
  return file.debugPath === undefined ? 'dynamic' : 'full';
}

import { appendFileSync } from 'node:fs';
import { Option } from 'commander';
import { HangarError } from '../../errors.ts';
import { findFleetFile } from '../../fleet/find-fleet-file.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import type { Host } from '../../fleet/host.ts';
import { selectHosts } from '../../fleet/select-hosts.ts';
import { executeRun, newRunId } from '../../runbook/execute-run.ts';
import { fileRunStore } from '../../runbook/file-run-store.ts';
import { type GivenParams, type ParamOption, paramOptions, parseParams } from '../../runbook/params.ts';
import { planRun, renderPlan } from '../../runbook/plan-run.ts';
import type { RunEvent } from '../../runbook/run.ts';
import type { ParamValues } from '../../runbook/runbook.ts';
import { reportOfCase } from '../../steps/case-records.ts';
import { Incident } from '../../steps/incident.ts';
import { askAt } from '../ask.ts';
import { openFleet } from '../fleet.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { type Progress, showProgress } from '../progress.ts';
import { renderRun } from '../render-run.ts';
import { type FoundRunbook, findRunbook } from '../runbooks.ts';

interface Asked {
  readonly host: readonly string[];
  readonly except: readonly string[];
  /** `true` for a bare `--dry-run`. */
  readonly dryRun?: true | string;
}

/** A runbook as a command: its params are its options. */
export async function runbookCommand(
  name: string,
  where: { readonly fleet: string | undefined; readonly cwd: string; readonly commands: readonly string[] },
): Promise<{ readonly summary: string; readonly spec: CommandSpec }> {
  const fleetPath = where.fleet ?? findFleetFile(where.cwd);
  const found = await findRunbook(name, { ...where, ...(fleetPath !== undefined && { fleetPath }) });
  const { runbook } = found;
  const spec: CommandSpec = {
    declare(command) {
      command
        .option('--host <selector>', 'name, web*, role=web, all; repeatable', collect, [])
        .option('--except <selector>', 'leave these out; repeatable', collect, [])
        .addOption(new Option('--dry-run [how]', 'print every command that would run, and do nothing'))
        .addHelpText('after', `\nRunbook: ${found.isPackaged ? 'packaged' : runbook.path}\n${examplesOf(name)}`);
      for (const each of paramOptions(runbook)) for (const option of optionsOf(each)) command.addOption(option);
    },
    async run(command, options, io) {
      const asked = command.opts<Asked>();
      const params = parseParams(runbook, givenIn(command.opts(), paramOptions(runbook)));
      const fleet = await openFleet(options, io);
      const hosts = selectHosts(fleet, asked);
      if (asked.dryRun !== undefined) return dryRun(found, params, hosts, asked.dryRun, options, io, fleet);
      return execute(found, params, hosts, options, io, fleet);
    },
  };
  return { summary: runbook.summary, spec };
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

function optionsOf({ option, param: { type, values, default: preset, help } }: ParamOption): readonly Option[] {
  const shown = preset === undefined ? help : `${help} (default: ${String(preset)})`;
  if (type === 'boolean') return [new Option(option, shown), new Option(option.replace('--', '--no-'), `not: ${help}`)];
  const described = new Option(`${option} <${values?.join('|') ?? type}>`, shown);
  return [type === 'list' ? described.argParser(collectText) : described];
}

function collectText(value: string, previous: unknown): readonly string[] {
  return [...(Array.isArray(previous) ? previous.map(String) : []), value];
}

function givenIn(options: Readonly<Record<string, unknown>>, params: readonly ParamOption[]): GivenParams {
  const given: Record<string, string | boolean | readonly string[]> = {};
  for (const { name } of params) {
    const value = options[name];
    if (typeof value === 'string' || typeof value === 'boolean') given[name] = value;
    else if (Array.isArray(value)) given[name] = value.map(String);
  }
  return given;
}

function dryRun(
  { runbook }: FoundRunbook,
  params: ParamValues,
  hosts: readonly Host[],
  how: true | string,
  options: GlobalOptions,
  io: Io,
  fleet: Fleet | undefined,
): number {
  if (how !== true)
    throw new HangarError({
      code: 'DRY_RUN_UNSUPPORTED',
      message: `--dry-run=${how} is not supported by this version`,
      fix: 'use --dry-run, which prints every command and runs none',
      failure: 'usage',
    });
  const plan = planRun(runbook, params, hosts, host => incidentOf(host, fleet, options, '<run>'));
  if (options.format === 'json') printJson(plan, options, io);
  else printResult(renderPlan(plan), options, io);
  return 0;
}

async function execute(
  { runbook, isPackaged }: FoundRunbook,
  params: ParamValues,
  hosts: readonly Host[],
  options: GlobalOptions,
  io: Io,
  fleet: Fleet | undefined,
): Promise<number> {
  const progress = await showProgress(options, io);
  progress.done(`runbook ${runbook.name} (${isPackaged ? 'packaged' : runbook.path})`);
  const run = newRunId(runbook.name);
  const result = await executeRun({
    run,
    runbook,
    params,
    hosts,
    contextOf: host => incidentOf(host, fleet, options, run),
    close: incident => incident.close(),
    reportOf: async incident => {
      const folder = await incident.existingCase();
      return folder && reportOfCase(folder);
    },
    store: fileRunStore(options.state),
    signal: io.signal,
    onEvent: event => {
      tell(event, progress);
      if (options.events !== undefined) appendFileSync(options.events, `${JSON.stringify(event)}\n`, { mode: 0o600 });
    },
    ask: askAt(io),
  });
  progress.end();
  printResult(renderRun(result, options.format), options, io);
  return result.exitCode;
}

function incidentOf(host: Host, fleet: Fleet | undefined, { state }: GlobalOptions, run: string): Incident {
  return new Incident({ host, state, run, ...(fleet && { fleet }) });
}

/** One line for each thing that happens. */
function tell(event: RunEvent, progress: Progress): void {
  switch (event.kind) {
    case 'run-started':
      return progress.done(`run ${event.run} on ${event.hosts.join(', ')}`);
    case 'step-started':
      return progress.line(`${event.host}: ${event.step} …`);
    case 'step-progress':
      return progress.line(`${event.host}: ${event.step}: ${event.text}`);
    case 'step-retried':
      return progress.done(
        `${event.host}: ${event.step} failed (${event.error.message}); again in ${event.afterSeconds.toFixed(1)} s`,
      );
    case 'step-ended': {
      const { status, seconds, reason, error } = event.result;
      const why = reason ?? (error === undefined ? undefined : `${error.code}: ${error.message}`);
      return progress.done(
        `${event.host}: ${event.step} ${status} after ${seconds.toFixed(1)} s${why === undefined ? '' : ` (${why})`}`,
      );
    }
    case 'host-started':
    case 'host-ended':
    case 'run-ended':
      return;
    default:
      event satisfies never;
  }
}

function examplesOf(name: string): string {
  return `
Examples:
  runbook ${name} --host web3                 on one host
  runbook ${name} --host role=web --dry-run   what would run on all that have that label`;
}

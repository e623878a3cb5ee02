import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Option } from 'commander';
import { HangarError } from '../../errors.ts';
import { findFleetFile } from '../../fleet/find-fleet-file.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import type { Host } from '../../fleet/host.ts';
import { selectHosts } from '../../fleet/select-hosts.ts';
import { parseDuration } from '../../quantity.ts';
import { newRunId } from '../../run/execute-run.ts';
import { memoryJournal } from '../../run/memory-journal.ts';
import type { RunRequest } from '../../run/run-store.ts';
import { resolveSecrets } from '../../run/secrets.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { type GivenParams, type ParamOption, paramOptions, parseParams } from '../../runbook/params.ts';
import { planRun, renderPlan } from '../../runbook/plan-run.ts';
import type { ParamValues } from '../../runbook/runbook.ts';
import { checksOf } from '../compliance.ts';
import { executeFromHere, incidentOf, personHere } from '../execution.ts';
import { openFleet } from '../fleet.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { needWritable, printJson, printResult, reportFormat } from '../output.ts';
import { parseWritten, printRun } from '../print-run.ts';
import type { CommandSpec } from '../program.ts';
import { showProgress } from '../progress.ts';
import { renderProbe } from '../render-run.ts';
import { type FoundRunbook, findRunbook } from '../runbooks.ts';

interface Asked {
  readonly host: readonly string[];
  readonly except: readonly string[];
  /** `true` for a bare `--dry-run`. */
  readonly dryRun?: true | string;
  /** `true` for a bare `--wait`. */
  readonly wait?: true | string;
  /** `FORM=FILE`, of a runbook that checks hosts. */
  readonly write?: readonly string[];
  readonly diff?: true;
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
        .addOption(
          new Option(
            '--dry-run [how]',
            'print every command that would run, and do nothing; `probe`: run what only reads',
          ),
        )
        .addOption(new Option('--wait [duration]', 'wait for another run that is at work on the same host and service'))
        .addHelpText('after', `\nRunbook: ${found.isPackaged ? 'packaged' : runbook.path}\n${examplesOf(name)}`);
      if (checksOf(runbook) !== 'none')
        command
          .option('--write <form=file>', 'also write the compliance there, as junit=FILE; repeatable', collect, [])
          .option('--diff', 'show what is different from the run before');
      for (const each of paramOptions(runbook)) for (const option of optionsOf(each)) command.addOption(option);
    },
    async run(command, options, io) {
      const asked = command.opts<Asked>();
      const params = parseParams(runbook, givenIn(command.opts(), paramOptions(runbook)));
      const fleet = await openFleet(options, io);
      const hosts = selectHosts(fleet, asked);
      if (asked.dryRun !== undefined) return dryRun(found, params, hosts, asked.dryRun, options, io, fleet);
      const progress = await showProgress(options, io);
      progress.done(`runbook ${runbook.name} (${found.isPackaged ? 'packaged' : runbook.path})`);
      return execute(found, params, hosts, asked, options, io, fleet);
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

/** Prints what would run; `probe` runs what only reads, and keeps nothing. */
async function dryRun(
  { runbook }: FoundRunbook,
  params: ParamValues,
  hosts: readonly Host[],
  how: true | string,
  options: GlobalOptions,
  io: Io,
  fleet: Fleet | undefined,
): Promise<number> {
  if (how === true) {
    const plan = planRun(runbook, params, hosts, host => incidentOf(host, fleet, options, '<run>'));
    if (options.format === 'json') printJson(plan, options, io);
    else printResult(renderPlan(plan), options, io);
    return 0;
  }
  if (how !== 'probe')
    throw new HangarError({
      code: 'USAGE',
      message: `--dry-run=${how} is not known`,
      fix: 'use --dry-run, which runs nothing, or --dry-run=probe, which runs what only reads',
      failure: 'usage',
    });
  const state = mkdtempSync(join(tmpdir(), 'hangar-probe-'));
  try {
    const journal = memoryJournal(requestOf(runbook, params, hosts, fleet, io));
    const resolved = await resolveSecrets(runbook, params, io.env);
    const request = { journal, runbook, resolved, hosts, isProbe: true, ...(fleet && { fleet }) };
    const run = await executeFromHere(request, { ...options, state }, io);
    if (options.format === 'json') printJson(run, options, io);
    else printResult(renderProbe(run), options, io);
    return run.exitCode;
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

async function execute(
  { runbook }: FoundRunbook,
  params: ParamValues,
  hosts: readonly Host[],
  asked: Asked,
  options: GlobalOptions,
  io: Io,
  fleet: Fleet | undefined,
): Promise<number> {
  const waitSeconds = parseWait(asked.wait);
  const written = (asked.write ?? []).map(parseWritten);
  if (checksOf(runbook) === 'none') reportFormat(options);
  for (const path of [options.output, ...written.map(each => each.path)]) needWritable(path);
  // Before anything is kept: a secret that cannot be had is a mistake of the command line.
  const resolved = await resolveSecrets(runbook, params, io.env);
  const journal = await sqliteRunStore(options.state).begin(requestOf(runbook, params, hosts, fleet, io));
  const request = { journal, runbook, resolved, hosts, waitSeconds, ...(fleet && { fleet }) };
  const run = await executeFromHere(request, options, io);
  return printRun(run, { runbook, params: resolved.params, fleet, written, diff: asked.diff === true }, options, io);
}

function requestOf(
  { name, path, files }: FoundRunbook['runbook'],
  params: ParamValues,
  hosts: readonly Host[],
  fleet: Fleet | undefined,
  io: Io,
): RunRequest {
  return {
    run: newRunId(name),
    runbook: name,
    path,
    files,
    params,
    hosts: hosts.map(host => host.name),
    ...(fleet && { fleet: resolve(io.cwd, fleet.path) }),
    by: personHere(io.env),
    startedAt: new Date().toISOString(),
  };
}

/** A bare `--wait` waits as long as it takes. */
function parseWait(wait: true | string | undefined): number {
  if (wait === undefined) return 0;
  const seconds = wait === true ? Number.POSITIVE_INFINITY : parseDuration(wait);
  if (seconds !== undefined) return seconds;
  throw new HangarError({
    code: 'USAGE',
    message: `--wait: expected a duration like 10m, found "${wait}"`,
    fix: 'use --wait 10m, or --wait alone, which waits as long as it takes',
    failure: 'usage',
  });
}

function examplesOf(name: string): string {
  return `
Examples:
  runbook ${name} --host web3                 on one host
  runbook ${name} --host role=web --dry-run   what would run on all that have that label`;
}

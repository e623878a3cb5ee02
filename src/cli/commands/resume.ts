import { createTwoFilesPatch } from 'diff';
import { findCase } from '../../case/case-folder.ts';
import { HangarError } from '../../errors.ts';
import { selectHosts } from '../../fleet/select-hosts.ts';
import { foldHosts } from '../../run/fold-run.ts';
import type { HostRun } from '../../run/run.ts';
import type { RunRecord, RunRequest } from '../../run/run-store.ts';
import { resolveSecrets } from '../../run/secrets.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { parseParam } from '../../runbook/params.ts';
import type { ParamValue, ParamValues, Runbook } from '../../runbook/runbook.ts';
import { reportOfCase } from '../../steps/case-records.ts';
import type { Incident } from '../../steps/incident.ts';
import { type ExecutionRequest, executeFromHere } from '../execution.ts';
import { openFleet } from '../fleet.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { printRun } from '../print-run.ts';
import type { CommandSpec } from '../program.ts';
import { readRunbook } from '../runbooks.ts';

interface Asked {
  readonly failed: boolean;
  readonly withChanges: boolean;
}

export const resumeCommand: CommandSpec = {
  declare: command =>
    command
      .argument('<run>', 'id of a run: runbook runs')
      .option(
        '--failed',
        'only the hosts that failed or could not be reached, not those that were never started',
        false,
      )
      .option('--with-changes', 'with the runbook as it is now; the difference is shown first', false)
      .addHelpText(
        'after',
        `
What was done is not done again; of a step that was under way the host is asked what became of it.`,
      ),
  async run(command, options, io) {
    const id = String(command.processedArgs[0]);
    const asked = command.opts<Asked>();
    const store = sqliteRunStore(options.state);
    const record = await store.read(id);
    const journal = await store.resume(id);
    try {
      if (record === undefined) throw new TypeError('a run that can be taken up can be read');
      const request = await requestOf(record, asked, options, io);
      const run = await executeFromHere({ journal, ...request }, options, io);
      const { runbook, resolved, fleet } = request;
      return await printRun(run, { runbook, params: resolved.params, fleet }, options, io);
    } finally {
      await journal.close();
    }
  },
};

/** What is executed: on which hosts, with which runbook and params. */
async function requestOf(
  record: RunRecord,
  asked: Asked,
  options: GlobalOptions,
  io: Io,
): Promise<Omit<ExecutionRequest, 'journal'>> {
  const runbook = await runbookOf(record.request, asked, io);
  const params = paramsOf(runbook, record.request);
  const resolved = await resolveSecrets(runbook, params, io.env);
  const path = options.fleet ?? record.request.fleet;
  const fleet = path === undefined ? undefined : await openFleet({ fleet: path }, io);
  const { todo, kept: others } = choose(record, asked);
  // Where only the end of the run was not heard of, it is all that is missing.
  const hosts = todo.length === 0 ? [] : selectHosts(fleet, { host: todo.map(({ name }) => name), except: [] });
  const kept = await Promise.all(others.map(host => withReport(host, record.request, options)));
  return { runbook, resolved, hosts, kept, earlier: todo, ...(fleet && { fleet }) };
}

/** The runbook as it was, or with the changes that were made since. */
async function runbookOf({ path, files }: RunRequest, { withChanges }: Asked, io: Io): Promise<Runbook<Incident>> {
  if (!withChanges) return readRunbook(path, files);
  const runbook = await readRunbook(path);
  for (const [each, text] of Object.entries(runbook.files)) {
    const before = files[each] ?? '';
    if (before !== text) io.stderr.write(createTwoFilesPatch(each, each, before, text, 'as it was', 'as it is now'));
  }
  return runbook;
}

/** What was asked for then, in the types of the runbook; a param that is new has its default. */
function paramsOf(runbook: Runbook<Incident>, { params, run }: RunRequest): ParamValues {
  const values: Record<string, ParamValue> = {};
  for (const [name, param] of runbook.params) {
    const given = params[name];
    const isKnown = typeof given === 'string' || typeof given === 'number' || typeof given === 'boolean';
    if (Array.isArray(given)) values[name] = given.map(String);
    else if (isKnown) values[name] = given;
    else if (param.default !== undefined) values[name] = param.default;
    else if (param.required) throw changedParams(run, name);
    const checked = values[name] === undefined || param.type === 'duration' || parseParam(param, values[name]);
    if (typeof checked === 'object' && 'problem' in checked) throw changedParams(run, name, checked.problem);
  }
  return values;
}

/** Events have no reports: that of a host that is not taken up again is in its case. */
async function withReport(host: HostRun, { run }: RunRequest, { state }: GlobalOptions): Promise<HostRun> {
  const folder = await findCase(state, { host: host.name, run });
  const report = folder && (await reportOfCase(folder));
  return report === undefined ? host : { ...host, report };
}

/** Which hosts are taken up, and what became of the others. @throws HangarError `NOTHING_TO_RESUME` */
function choose(
  { request, events, result }: RunRecord,
  { failed }: Asked,
): { readonly todo: readonly HostRun[]; readonly kept: readonly HostRun[] } {
  const hosts = result?.hosts ?? foldHosts(request, events);
  const isTodo = (host: HostRun): boolean =>
    failed ? host.status === 'failed' || host.status === 'unreachable' : !isDone(host);
  const todo = hosts.filter(isTodo);
  if (todo.length > 0 || (result === undefined && !failed)) return { todo, kept: hosts.filter(host => !isTodo(host)) };
  throw new HangarError({
    code: 'NOTHING_TO_RESUME',
    message: failed ? `no host of run "${request.run}" failed` : `run "${request.run}" is done on all its hosts`,
    fix: `see what it did: runbook show ${request.run}`,
    failure: 'usage',
  });
}

function isDone({ status }: HostRun): boolean {
  return status === 'succeeded' || status === 'finished';
}

function changedParams(run: string, name: string, problem = 'it is required now'): HangarError {
  return new HangarError({
    code: 'INVALID_PARAMS',
    message: `run "${run}" has no value that fits the param "${name}": ${problem}`,
    fix: 'start the runbook anew',
    failure: 'usage',
  });
}

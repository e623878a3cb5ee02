import { appendFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openCase } from '../../case/case-folder.ts';
import { HangarError } from '../../errors.ts';
import { renderReport } from '../../report/render.ts';
import { foldRun } from '../../run/fold-run.ts';
import type { RunEvent } from '../../run/run.ts';
import type { RunRecord } from '../../run/run-store.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { reportOfCase } from '../../steps/case-records.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { printResult, reportFormat } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { renderRun, renderSteps } from '../render-run.ts';

export const showCommand: CommandSpec = {
  declare: command =>
    command.argument('<run|case>', 'id of a run, id or folder of a case').addHelpText(
      'after',
      `
Examples:
  runbook show RUN                        its result, and each step with its times, attempts and commands
  runbook show RUN --events events.jsonl  what happened, one JSON document a line; - for stdout
  runbook show CASE                       the report of a case`,
    ),
  async run(command, options, io) {
    const asked = String(command.processedArgs[0]);
    const record = await sqliteRunStore(options.state).read(asked);
    if (record) return showRun(record, options, io);
    const path = resolve(io.cwd, asked);
    const folder = await openCase(options.state, existsSync(join(path, 'case.json')) ? path : asked);
    const report = await reportOfCase(folder);
    if (!report)
      throw new HangarError({
        code: 'NOT_ANALYSED',
        message: `case "${folder.id}" has no report yet`,
        fix: `make one: runbook analyze ${folder.id}`,
        failure: 'step',
      });
    printResult(renderReport(report, reportFormat(options)), options, io);
    return 0;
  },
};

function showRun(record: RunRecord, options: GlobalOptions, io: Io): number {
  const { events } = options;
  const lines = record.events.map(event => `${JSON.stringify(event)}\n`).join('');
  if (events === '-') {
    io.stdout.write(lines);
    return 0;
  }
  if (events !== undefined) appendFileSync(resolve(io.cwd, events), lines, { mode: 0o600 });
  const run = foldRun(record);
  const steps = options.format === 'text' ? [renderSteps(run), '', ...hintOf(record)] : [];
  printResult([renderRun(run, reportFormat(options)), ...steps].join('\n'), options, io);
  return 0;
}

/** What can be done with a run that is not over. */
function hintOf({ request: { run }, events, result, isActive }: RunRecord): readonly string[] {
  if (isActive)
    return [
      ...pendingQuestions(events).map(
        ({ host, step, question, until }) =>
          `${host}: ${step} waits until ${until} for somebody to agree: runbook approve ${run} ${step}\n  ${question}`,
      ),
      `it runs; end it: runbook cancel ${run}`,
    ];
  if (result === undefined) return [`it broke off; take it up where it was: runbook resume ${run}`];
  return result.exitCode === 0 ? [] : [`take it up where it was: runbook resume ${run}`];
}

/** Approvals that were asked for and not answered yet. */
function pendingQuestions(events: readonly RunEvent[]) {
  return events.flatMap((event, at) => {
    if (event.kind !== 'approval-requested') return [];
    const isAnswered = events
      .slice(at + 1)
      .some(later => later.kind === 'approval-answered' && later.host === event.host && later.step === event.step);
    return isAnswered ? [] : [event];
  });
}

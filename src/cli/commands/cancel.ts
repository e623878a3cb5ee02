import { HangarError } from '../../errors.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { personHere } from '../execution.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';

export const cancelCommand: CommandSpec = {
  declare: command => command.argument('<run>', 'id of a run that is being executed: runbook runs'),
  async run(command, options, io) {
    const run = String(command.processedArgs[0]);
    const store = sqliteRunStore(options.state);
    const record = await store.read(run);
    if (record !== undefined && !record.isActive) throw notActive(run, record.result === undefined);
    await store.post(run, { kind: 'cancel', by: personHere(io.env) });
    if (options.format === 'json') printJson({ schema: 'hangar.cancel/1', run }, options, io);
    else printResult(`run ${run} ends in order; watch it: runbook show ${run}`, options, io);
    return 0;
  },
};

function notActive(run: string, isBroken: boolean): HangarError {
  return new HangarError({
    code: 'RUN_NOT_ACTIVE',
    message: `nobody executes run "${run}": ${isBroken ? 'it broke off' : 'it has ended'}`,
    fix: isBroken ? `take it up where it was: runbook resume ${run}` : `see what it did: runbook show ${run}`,
    failure: 'usage',
  });
}

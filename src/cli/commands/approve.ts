import { HangarError } from '../../errors.ts';
import type { RunRecord } from '../../run/run-store.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { everyStep } from '../../runbook/every-step.ts';
import { suggestion } from '../../runbook/names.ts';
import type { Runbook } from '../../runbook/runbook.ts';
import { personHere } from '../execution.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { readRunbook } from '../runbooks.ts';

interface Asked {
  readonly host?: string;
  readonly deny: boolean;
}

export const approveCommand: CommandSpec = {
  declare: command =>
    command
      .argument('<run>', 'id of a run: runbook runs')
      .argument('<step>', 'the step that waits, or will')
      .option('--host <name>', 'on that host only; default: on all of the run')
      .option('--deny', 'refuse it', false),
  async run(command, options, io) {
    const [run = '', step = ''] = command.processedArgs.map(String);
    const { host, deny } = command.opts<Asked>();
    const store = sqliteRunStore(options.state);
    const record = await store.read(run);
    if (record !== undefined) {
      const { path, files, hosts } = record.request;
      mustKnow('step', step, pathsOf(await readRunbook(path, files)));
      if (host !== undefined) mustKnow('host', host, hosts);
    }
    const by = personHere(io.env);
    await store.post(run, { kind: 'answer', by, step, approved: !deny, ...(host !== undefined && { host }) });
    const said = `${by} ${deny ? 'refuses' : 'agrees to'} step "${step}" of run ${run}${host === undefined ? '' : ` on ${host}`}${noteOf(record, step)}`;
    if (options.format === 'json')
      printJson({ schema: 'hangar.answer/1', run, step, by, approved: !deny }, options, io);
    else printResult(said, options, io);
    return 0;
  },
};

/** Whether anybody waits for the answer now. */
function noteOf(record: RunRecord | undefined, step: string): string {
  if (record?.isActive === false) return '; nobody executes that run: the answer counts when it is taken up again';
  const isAsked = record?.events.some(event => event.kind === 'approval-requested' && event.step === step);
  return isAsked === true ? '' : '; nothing asks for that yet: the answer is kept until it does';
}

function pathsOf<Context>(runbook: Runbook<Context>, prefix = ''): readonly string[] {
  return everyStep(runbook).flatMap(({ id, include }) => [
    `${prefix}${id}`,
    ...(include ? pathsOf(include, `${prefix}${id}/`) : []),
  ]);
}

function mustKnow(what: 'step' | 'host', name: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  throw new HangarError({
    code: what === 'step' ? 'NO_SUCH_STEP' : 'UNKNOWN_HOST',
    message: `the run has no ${what} "${name}"${suggestion(name, names)}`,
    fix: `name one of ${names.join(', ')}`,
    failure: 'usage',
  });
}

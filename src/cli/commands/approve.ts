import { HangarError } from '../../errors.ts';
import type { RunRecord } from '../../run/run-store.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { loadRunbook } from '../../runbook/load-runbook.ts';
import { suggestion } from '../../runbook/names.ts';
import type { Runbook, Step } from '../../runbook/runbook.ts';
import { stepKinds } from '../../steps/index.ts';
import { personHere } from '../execution.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { packaged } from '../runbooks.ts';

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
      mustKnow('step', step, await stepsOf(path, files));
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

async function stepsOf(path: string, files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const runbook = await loadRunbook(path, stepKinds, { folders: [packaged], read: async each => files[each] });
  return pathsOf(runbook, '');
}

function pathsOf<Context>({ steps, rescue, always }: Runbook<Context>, prefix: string): readonly string[] {
  const own = (step: Step<Context>): readonly string[] => [
    `${prefix}${step.id}`,
    ...(step.include ? pathsOf(step.include, `${prefix}${step.id}/`) : []),
    ...[...step.rescue, ...step.always].flatMap(own),
  ];
  return [...steps, ...rescue, ...always].flatMap(own);
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

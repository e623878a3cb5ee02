import { rm } from 'node:fs/promises';
import { listCases } from '../../case/case-folder.ts';
import { HangarError } from '../../errors.ts';
import { parseDuration } from '../../quantity.ts';
import { foldRun } from '../../run/fold-run.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';

interface Asked {
  readonly olderThan: string;
  readonly keepCases: boolean;
  readonly dryRun: boolean;
}

export const pruneCommand: CommandSpec = {
  declare: command =>
    command
      .requiredOption('--older-than <duration>', 'age from which runs are forgotten: 30d')
      .option('--keep-cases', 'leave their cases, with cores and reports', false)
      .option('--dry-run', 'only say what would be removed', false)
      .addHelpText('after', '\nA run that is being executed, or that broke off and can be resumed, is never removed.'),
  async run(command, options, io) {
    const { olderThan, keepCases, dryRun } = command.opts<Asked>();
    const before = Date.now() - secondsOf(olderThan) * 1000;
    const store = sqliteRunStore(options.state);
    const runs: string[] = [];
    for (const id of await store.list()) {
      const record = await store.read(id);
      if (record === undefined || record.isActive || record.result === undefined) continue;
      if (Date.parse(foldRun(record).startedAt) < before) runs.push(id);
    }
    const cases = keepCases ? [] : (await listCases(options.state)).filter(({ run }) => runs.includes(run));
    if (!dryRun) {
      for (const each of cases) await rm(each.path, { recursive: true, force: true });
      for (const id of runs) await store.remove(id);
    }
    const names = cases.map(({ id }) => id);
    if (options.format === 'json')
      printJson({ schema: 'hangar.prune/1', runs, cases: names, removed: !dryRun }, options, io);
    else
      printResult(
        [
          `${dryRun ? 'would remove' : 'removed'} ${runs.length} runs and ${names.length} cases`,
          ...runs,
          ...names,
        ].join('\n'),
        options,
        io,
      );
    return 0;
  },
};

function secondsOf(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  throw new HangarError({
    code: 'USAGE',
    message: `--older-than: expected a duration like 30d, found "${text}"`,
    fix: 'runbook prune --older-than 30d',
    failure: 'usage',
  });
}

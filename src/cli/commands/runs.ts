import { listCases } from '../../case/case-folder.ts';
import { messageOf } from '../../errors.ts';
import { foldRun } from '../../run/fold-run.ts';
import type { Run } from '../../run/run.ts';
import { sqliteRunStore } from '../../run/sqlite-run-store.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { table } from '../table.ts';

export const runsCommand: CommandSpec = {
  async run(_command, options, io) {
    const store = sqliteRunStore(options.state);
    const cases = await listCases(options.state);
    const unreadable: Unreadable[] = [];
    const read = async (id: string) =>
      store.read(id).catch((error: unknown) => void unreadable.push({ run: id, why: messageOf(error) }));
    const found = await Promise.all((await store.list()).map(read));
    const runs = found.flatMap(record => {
      if (record === undefined) return [];
      const run = foldRun(record);
      return [{ run, by: record.request.by, cases: cases.filter(each => each.run === run.run).map(({ id }) => id) }];
    });
    for (const { run, why } of unreadable) io.stderr.write(`run ${run} cannot be read: ${why}\n`);
    if (options.format === 'json')
      printJson(
        {
          schema: 'hangar.runs/1',
          runs: runs.map(({ run, by, cases: ids }) => ({ ...run, hosts: namesOf(run), by, cases: ids })),
          unreadable,
        },
        options,
        io,
      );
    else
      printResult(
        runs.length === 0
          ? `no runs in ${options.state}`
          : table(['run', 'status', 'hosts', 'seconds', 'by', 'cases'], runs.map(asRow)),
        options,
        io,
      );
    return 0;
  },
};

/** A run whose record is damaged, or held by something else than a run. */
interface Unreadable {
  readonly run: string;
  readonly why: string;
}

interface Listed {
  readonly run: Run;
  readonly by: string;
  readonly cases: readonly string[];
}

function asRow({ run, by, cases }: Listed): readonly string[] {
  return [run.run, run.status, namesOf(run).join(', '), run.seconds.toFixed(1), by, cases.join(', ')];
}

function namesOf({ hosts }: Run): readonly string[] {
  return hosts.map(({ name }) => name);
}

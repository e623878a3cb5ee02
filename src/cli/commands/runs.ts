import { listCases } from '../../case/case-folder.ts';
import { fileRunStore } from '../../runbook/file-run-store.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { table } from '../table.ts';

export const runsCommand: CommandSpec = {
  async run(_command, options, io) {
    const store = fileRunStore(options.state);
    const cases = await listCases(options.state);
    const found = await Promise.all((await store.list()).map(id => store.read(id).catch(() => undefined)));
    const runs = found.flatMap(run =>
      run === undefined ? [] : [{ run, cases: cases.filter(each => each.run === run.run) }],
    );
    if (options.format === 'json')
      printJson(
        {
          schema: 'hangar.runs/1',
          runs: runs.map(each => ({ ...each.run, hosts: undefined, cases: each.cases.map(({ id }) => id) })),
        },
        options,
        io,
      );
    else
      printResult(
        runs.length === 0
          ? `no runs in ${options.state}`
          : table(['run', 'status', 'hosts', 'seconds', 'cases'], runs.map(asRow)),
        options,
        io,
      );
    return 0;
  },
};

interface Listed {
  readonly run: NonNullable<Awaited<ReturnType<ReturnType<typeof fileRunStore>['read']>>>;
  readonly cases: readonly { readonly id: string }[];
}

function asRow({ run, cases }: Listed): readonly string[] {
  const hosts = run.hosts.map(({ name }) => name).join(', ');
  return [run.run, run.status, hosts, run.seconds.toFixed(1), cases.map(({ id }) => id).join(', ')];
}

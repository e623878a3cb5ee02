import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openCase } from '../../case/case-folder.ts';
import { HangarError } from '../../errors.ts';
import { renderReport } from '../../report/render.ts';
import { fileRunStore } from '../../runbook/file-run-store.ts';
import { reportOfCase } from '../../steps/case-records.ts';
import { printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { renderRun } from '../render-run.ts';

export const showCommand: CommandSpec = {
  declare: command => command.argument('<run|case>', 'id of a run, id or folder of a case'),
  async run(command, options, io) {
    const asked = String(command.processedArgs[0]);
    const run = await fileRunStore(options.state).read(asked);
    if (run) {
      printResult(renderRun(run, options.format), options, io);
      return 0;
    }
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
    printResult(renderReport(report, options.format), options, io);
    return 0;
  },
};

import { includeKind } from '../../runbook/include-kind.ts';
import { paramOptions } from '../../runbook/params.ts';
import { stepKinds } from '../../steps/index.ts';
import { openFleet } from '../fleet.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { type FoundRunbook, findRunbooks } from '../runbooks.ts';
import { table } from '../table.ts';

export const listCommand: CommandSpec = {
  declare: command => command.option('--steps', 'the step kinds that a runbook can use', false),
  async run(command, options, io) {
    if (command.opts<{ steps: boolean }>().steps) {
      const kinds = [...stepKinds.values(), includeKind].map(({ name, risk, summary }) => ({ name, risk, summary }));
      if (options.format === 'json') printJson({ schema: 'hangar.steps/1', steps: kinds }, options, io);
      else
        printResult(
          table(
            ['step', 'risk', ''],
            kinds.map(({ name, risk, summary }) => [name, risk, summary]),
          ),
          options,
          io,
        );
      return 0;
    }
    const runbooks = await findRunbooks(await openFleet(options, io));
    if (options.format === 'json')
      printJson({ schema: 'hangar.runbooks/1', runbooks: runbooks.map(asJson) }, options, io);
    else printResult(runbooks.map(asText).join('\n\n'), options, io);
    return 0;
  },
};

function asJson({ runbook, isPackaged }: FoundRunbook) {
  const { name, summary, path, params } = runbook;
  return { name, summary, path, packaged: isPackaged, params: [...params.values()] };
}

function asText({ runbook, isPackaged }: FoundRunbook): string {
  const { name, summary, path } = runbook;
  const params = paramOptions(runbook).map(({ option, param: { type, values, default: preset, help } }) => [
    `    ${option}`,
    values?.join('|') ?? type,
    preset === undefined ? '' : `default ${String(preset)}`,
    help,
  ]);
  return [
    `${name}: ${summary}`,
    `  ${isPackaged ? 'packaged' : path}`,
    table(['', '', '', ''], params).replace(/^\s*\n/, ''),
  ].join('\n');
}

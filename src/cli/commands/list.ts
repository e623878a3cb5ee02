import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import { includeKind } from '../../runbook/include-kind.ts';
import { paramOptions } from '../../runbook/params.ts';
import { stepKinds } from '../../steps/index.ts';
import { openFleet } from '../fleet.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { type BrokenRunbook, type FoundRunbook, findRunbooks } from '../runbooks.ts';
import { table } from '../table.ts';

export const listCommand: CommandSpec = {
  declare: command =>
    command.option(
      '--steps',
      'the step kinds that a runbook can use, with what each takes (* is required) and gives',
      false,
    ),
  async run(command, options, io) {
    if (command.opts<{ steps: boolean }>().steps) return listSteps(options, io);
    const runbooks = await findRunbooks(await openFleet(options, io));
    if (options.format === 'json')
      printJson({ schema: 'hangar.runbooks/1', runbooks: runbooks.map(asJson) }, options, io);
    else printResult(runbooks.map(asText).join('\n\n'), options, io);
    return 0;
  },
};

/** Each step kind with what it takes and gives. */
function listSteps(options: GlobalOptions, io: Io): number {
  const kinds = [...stepKinds.values(), includeKind].map(({ name, risk, summary, input, output }) => ({
    name,
    risk,
    summary,
    input: z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }),
    output: z.toJSONSchema(output, { unrepresentable: 'any' }),
  }));
  if (options.format === 'json') printJson({ schema: 'hangar.steps/1', steps: kinds }, options, io);
  else
    printResult(
      kinds
        .map(({ name, risk, summary, input, output }) =>
          [`${name} (${risk}): ${summary}`, ...fieldsOf('with', input), ...fieldsOf('gives', output)].join('\n'),
        )
        .join('\n\n'),
      options,
      io,
    );
  return 0;
}

/** One line for each field of an object. */
function fieldsOf(title: string, schema: z.core.JSONSchema.BaseSchema): readonly string[] {
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const known = typeof field === 'boolean' ? {} : field;
    const isNeeded = schema.required?.includes(name) === true && known.default === undefined;
    const preset = known.default === undefined ? '' : `default ${JSON.stringify(known.default)}`;
    return [`    ${name}${title === 'with' && isNeeded ? ' *' : ''}`, typeName(known), preset, known.description ?? ''];
  });
  return fields.length === 0 ? [] : [`  ${title}`, table(['', '', '', ''], fields).replace(/^\s*\n/, '')];
}

function typeName({ type, enum: values, anyOf }: z.core.JSONSchema.BaseSchema): string {
  if (values !== undefined) return values.join('|');
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeName))].join('|');
  return Array.isArray(type) ? type.join('|') : (type ?? 'any');
}

function asJson(found: FoundRunbook | BrokenRunbook) {
  if ('error' in found) return { name: found.name, path: found.path, error: messageOf(found.error) };
  const { runbook, isPackaged } = found;
  const { name, summary, path, params } = runbook;
  return { name, summary, path, packaged: isPackaged, params: [...params.values()] };
}

function asText(found: FoundRunbook | BrokenRunbook): string {
  if ('error' in found) return `${found.name}: NOT VALID, see: runbook validate ${found.path}`;
  const { runbook, isPackaged } = found;
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

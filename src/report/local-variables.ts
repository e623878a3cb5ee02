import type { Block, CodeLine } from './outline.ts';
import type { Report, ReportLocals } from './schema.ts';

/** Lines of all variables that are shown; the JSON form has the others too. */
const lineLimit = 400;

/** Arguments and variables of each frame that has some; nothing where they were not asked for. */
export function localVariables({ threads, tasks = [] }: Report): readonly Block[] {
  const stacks = [
    // Who does nothing has little to show.
    ...threads.filter(({ role }) => role === 'application').map(({ lwp, python }) => stackOf(`thread ${lwp}`, python)),
    // The frames of one that runs are those of its thread.
    ...tasks
      .filter(({ state }) => state !== 'running')
      .map(({ name, stack }) => stackOf(`task ${name ?? 'without a name'}`, stack)),
  ];
  const lines = stacks.flat();
  if (lines.length === 0) return [];
  const rest = lines.length - lineLimit;
  const shown = rest > 0 ? [...lines.slice(0, lineLimit), { text: `and ${rest} more lines` }] : lines;
  return [{ kind: 'section', title: 'Local variables', blocks: [{ kind: 'code', lines: shown }] }];
}

interface Frame {
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly locals?: ReportLocals | undefined;
}

function stackOf(whose: string, frames: readonly Frame[]): readonly CodeLine[] {
  return frames.flatMap(({ function: name, file, line, locals = [] }) =>
    locals.length === 0
      ? []
      : [
          { text: `${whose}: ${name}  ${file}:${line}` },
          ...locals.map(local => ({ text: `    ${local.name} = ${local.value}` })),
        ],
  );
}

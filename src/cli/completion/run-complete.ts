import { Command, type Option } from 'commander';
import type { Io } from '../io.ts';
import { type CommandSpec, createProgram } from '../program.ts';
import { type CompletionContext, complete, type KnownOption } from './complete.ts';

export interface CompletableCommand {
  readonly summary: string;
  readonly load: () => Promise<Pick<CommandSpec, 'declare'>>;
}

/**
 * What the scripts of `runbook completion` ask: `runbook __complete -- WORDS`, of which the last is completed. A line of
 * the answer is a value, or `VALUE<TAB>HELP`; `:files` or `:folders` as the last one leaves paths to the shell. Writes
 * nothing, and never fails: nobody reads errors between two keys.
 */
export async function runComplete(
  argv: readonly string[],
  commands: ReadonlyMap<string, CompletableCommand>,
  state: string,
  io: Io,
): Promise<number> {
  try {
    const words = argv.slice(argv.indexOf('--') + 1);
    const { candidates, paths } = await complete(words, contextOf(commands, state, io));
    const lines = candidates.map(({ value, help = '' }) => (help === '' ? value : `${value}\t${oneLine(help)}`));
    io.stdout.write([...lines, ...(paths === undefined ? [] : [`:${paths}`]), ''].join('\n'));
  } catch {
    // An empty answer.
  }
  return 0;
}

function contextOf(commands: ReadonlyMap<string, CompletableCommand>, state: string, io: Io): CompletionContext {
  const declared = async (name: string): Promise<Command> => {
    const command = new Command(name);
    (await commands.get(name)?.load())?.declare?.(command);
    return command;
  };
  return {
    cwd: io.cwd,
    state,
    commands: [...commands].map(([value, { summary }]) => ({ value, help: summary })),
    globalOptions: () => createProgram(io).options.flatMap(knownOption),
    commandOptions: async name => (await declared(name)).options.flatMap(knownOption),
    // `schema` and `completion` name what they take in the description of their argument.
    argumentValues: async name => {
      const [argument] = (await declared(name)).registeredArguments;
      const values = argument?.description.split(', ') ?? [];
      return values.length > 1 && values.every(each => /^[\w-]+$/.test(each)) ? values : [];
    },
  };
}

function knownOption({ long, description, required, optional, argChoices, flags }: Option): readonly KnownOption[] {
  if (long === undefined || long === null) return [];
  const known = { flag: long, help: description };
  if (!required && !optional) return [known];
  const value = argChoices === undefined ? { kind: valueKind(flags) } : { kind: 'one-of' as const, values: argChoices };
  return [{ ...known, value, isValueOptional: optional }];
}

/** By what the option calls its value. */
function valueKind(flags: string): 'any' | 'hosts' | 'files' | 'folders' {
  const [, name = ''] = /[<[]([^>\]]+)/.exec(flags) ?? [];
  if (name === 'file') return 'files';
  if (name === 'dir') return 'folders';
  return name === 'selector' || /^--(host|except)\b/.test(flags) ? 'hosts' : 'any';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

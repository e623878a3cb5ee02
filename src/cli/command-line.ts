import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { HangarError } from '../errors.ts';
import { analyzeCommand } from './commands/analyze.ts';
import { hostsCommand } from './commands/hosts.ts';
import { listCommand } from './commands/list.ts';
import { runbookCommand } from './commands/run.ts';
import { runsCommand } from './commands/runs.ts';
import { schemaCommand } from './commands/schema.ts';
import { showCommand } from './commands/show.ts';
import { validateCommand } from './commands/validate.ts';
import { formats, type GlobalOptions, type Io } from './io.ts';
import { exitCodeOf, printError } from './output.ts';
import { addCommand, type CommandSpec, createProgram } from './program.ts';

const commands: readonly CommandSpec[] = [
  listCommand,
  validateCommand,
  schemaCommand,
  hostsCommand,
  runsCommand,
  showCommand,
  analyzeCommand,
];

/** Runs one command line and resolves with the exit code (contract, `Exit codes`). Prints every error itself. */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const asked = askedFormat(argv);
  try {
    return await dispatch(argv, io);
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = thrown instanceof CommanderError ? usageError(thrown, argv) : thrown;
    printError(error, { format: asked, verbose: argv.includes('--verbose') }, io);
    return exitCodeOf(error);
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  let exitCode = 0;
  const program = createProgram(io);
  for (const spec of [...commands, ...(await asRunbook(argv, io))])
    addCommand(program, spec, async command => {
      exitCode = await spec.run(command, globalOptions(command, io), io);
    });
  if (argv.length === 0) program.help();
  await program.parseAsync([...argv], { from: 'user' });
  return exitCode;
}

/** The runbook that the command line names, as a command whose options are its params. */
async function asRunbook(argv: readonly string[], io: Io): Promise<readonly CommandSpec[]> {
  const name = commandName(argv);
  if (name === undefined || commands.some(command => command.name === name)) return [];
  return [
    await runbookCommand(name, {
      fleet: optionValue(argv, '--fleet'),
      cwd: io.cwd,
      commands: commands.map(command => command.name),
    }),
  ];
}

function globalOptions(command: Command, io: Io): GlobalOptions {
  const options: GlobalOptions & { state?: string } = command.optsWithGlobals();
  return { ...options, state: options.state ?? defaultState(io.env) };
}

/** `$XDG_STATE_HOME/hangar`, default `~/.local/state/hangar` (XDG Base Directory Specification). */
function defaultState(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'hangar');
}

const optionsWithValue = ['--state', '--fleet', '--format', '--output', '--events', '--host', '--except'];

/** The first argument that is neither an option nor the value of one that may stand before the command. */
function commandName(argv: readonly string[]): string | undefined {
  return argv.find((text, at) => !text.startsWith('-') && !optionsWithValue.includes(argv[at - 1] ?? ''));
}

function optionValue(argv: readonly string[], option: string): string | undefined {
  const at = argv.findIndex(text => text === option || text.startsWith(`${option}=`));
  if (at < 0) return undefined;
  const text = argv[at] ?? '';
  return text === option ? argv[at + 1] : text.slice(option.length + 1);
}

/** Known before the command line is parsed, because its errors are printed in this form too. */
function askedFormat(argv: readonly string[]): GlobalOptions['format'] {
  const asked = optionValue(argv, '--format');
  return formats.find(format => format === asked) ?? 'text';
}

function usageError({ message }: CommanderError, argv: readonly string[]): HangarError {
  const name = commandName(argv);
  return new HangarError({
    code: 'USAGE',
    message: message.replace(/^error: /, ''),
    fix: `read: runbook ${name ? `${name} ` : ''}--help`,
    failure: 'usage',
  });
}

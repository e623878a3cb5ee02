import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { HangarError } from '../errors.ts';
import { formats, type GlobalOptions, type Io } from './io.ts';
import { exitCodeOf, printError } from './output.ts';
import { addCommand, type CommandSpec, createProgram } from './program.ts';

/** Each is loaded when it is asked for: the command line starts at once. */
const commands: ReadonlyMap<string, LazyCommand> = new Map([
  [
    'list',
    { summary: 'runbooks and their params', load: async () => (await import('./commands/list.ts')).listCommand },
  ],
  [
    'validate',
    {
      summary: 'problems of fleet files and runbooks, with file:line:column',
      load: async () => (await import('./commands/validate.ts')).validateCommand,
    },
  ],
  [
    'schema',
    {
      summary: 'JSON Schema of a file or a result: runbook, fleet, checks, run, report, compliance, event',
      load: async () => (await import('./commands/schema.ts')).schemaCommand,
    },
  ],
  [
    'hosts',
    {
      summary: 'the inventory: each host, reachable or not and why',
      load: async () => (await import('./commands/hosts.ts')).hostsCommand,
    },
  ],
  [
    'runs',
    {
      summary: 'runs of this controller and their cases, the newest first',
      load: async () => (await import('./commands/runs.ts')).runsCommand,
    },
  ],
  [
    'show',
    { summary: 'a run, or the report of a case', load: async () => (await import('./commands/show.ts')).showCommand },
  ],
  [
    'resume',
    {
      summary: 'takes up a run that broke off, failed or was cancelled, where it was',
      load: async () => (await import('./commands/resume.ts')).resumeCommand,
    },
  ],
  [
    'cancel',
    {
      summary: 'ends a run from elsewhere, in order',
      load: async () => (await import('./commands/cancel.ts')).cancelCommand,
    },
  ],
  [
    'approve',
    {
      summary: 'agrees to a step that waits for it, or refuses it',
      load: async () => (await import('./commands/approve.ts')).approveCommand,
    },
  ],
  [
    'prune',
    {
      summary: 'forgets old runs and their cases',
      load: async () => (await import('./commands/prune.ts')).pruneCommand,
    },
  ],
  [
    'serve',
    {
      summary: 'runs the schedules of the fleet file; metrics and reports over HTTP on loopback',
      load: async () => (await import('./commands/serve.ts')).serveCommand,
    },
  ],
  [
    'completion',
    {
      summary: 'completion script of a shell: bash, zsh, fish',
      load: async () => (await import('./commands/completion.ts')).completionCommand,
    },
  ],
  [
    'analyze',
    {
      summary: 'what a core, or the core of a case, waits for',
      load: async () => (await import('./commands/analyze.ts')).analyzeCommand,
    },
  ],
]);

interface LazyCommand {
  /** One line for `runbook --help`. */
  readonly summary: string;
  readonly load: () => Promise<CommandSpec>;
}

/** Runs one command line and resolves with the exit code (contract, `Exit codes`). Prints every error itself. */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const asked = askedFormat(argv);
  try {
    if (argv[0] === '__complete')
      return await (await import('./completion/run-complete.ts')).runComplete(argv, commands, defaultState(io.env), io);
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
  const name = commandName(argv);
  for (const [each, { summary, load }] of commands) {
    // A command that is named needs no other; whoever asks for help may see them all.
    if (each !== name && commands.has(name ?? '') && !asksForHelp(argv)) continue;
    const spec = each === name ? await load() : { run: async () => 0 };
    addCommand(program, { name: each, summary, ...spec }, async command => {
      exitCode = await spec.run(command, globalOptions(command, io), io);
    });
  }
  if (name !== undefined && !commands.has(name)) {
    const { summary, spec } = await asRunbook(name, argv, io);
    addCommand(program, { name, summary, ...spec }, async command => {
      exitCode = await spec.run(command, globalOptions(command, io), io);
    });
  }
  if (argv.length === 0) program.help();
  await program.parseAsync([...argv], { from: 'user' });
  return exitCode;
}

/** The runbook that the command line names, as a command whose options are its params. */
async function asRunbook(name: string, argv: readonly string[], io: Io) {
  const { runbookCommand } = await import('./commands/run.ts');
  return runbookCommand(name, { fleet: optionValue(argv, '--fleet'), cwd: io.cwd, commands: [...commands.keys()] });
}

function globalOptions(command: Command, io: Io): GlobalOptions {
  const options: GlobalOptions & { state?: string } = command.optsWithGlobals();
  return { ...options, state: options.state ?? defaultState(io.env) };
}

/** `$XDG_STATE_HOME/hangar`, default `~/.local/state/hangar` (XDG Base Directory Specification). */
function defaultState(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'hangar');
}

function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
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

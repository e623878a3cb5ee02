import { Command, Option } from 'commander';
import { formats, type GlobalOptions, type Io } from './io.ts';

/** What one command of the command line takes and does. */
export interface CommandSpec {
  /** Declares its arguments and options. */
  declare?(command: Command): void;
  /** Resolves with the exit code; `command` gives arguments (`processedArgs`) and options (`opts()`). */
  run(command: Command, options: GlobalOptions, io: Io): Promise<number>;
}

/** The command line without its commands: name, global options, help. Throws instead of ending the process. */
export function createProgram(io: Io): Command {
  return new Command('runbook')
    .description('Finds out why a Python web service hangs, with proof, and brings it back.')
    .option('--state <dir>', 'where runs, cases and modules are kept (default: ~/.local/state/hangar)')
    .option('--fleet <file>', 'inventory (default: fleet.yaml found upwards from here)')
    .addOption(new Option('--format <form>', 'form of the result').choices(formats).default('text'))
    .option('--output <file>', 'write the result there (0600) instead of to stdout')
    .option('--events <file>', 'append the event stream there, one JSON document a line')
    .option('--verbose', 'stack traces of errors', false)
    .option('--quiet', 'no progress', false)
    .usage('NAME --host SELECTOR [--PARAM VALUE]… | COMMAND')
    .addHelpText('after', examples)
    .helpCommand(false)
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: text => io.stdout.write(text), writeErr: () => {}, outputError: () => {} });
}

/** Adds a command that speaks and ends as the program does; `act` runs it once it is parsed. */
export function addCommand(
  program: Command,
  spec: CommandSpec & { readonly name: string; readonly summary: string },
  act: (command: Command) => Promise<void>,
): void {
  const command = program.createCommand(spec.name).copyInheritedSettings(program).description(spec.summary);
  spec.declare?.(command);
  command.action(() => act(command));
  program.addCommand(command);
}

const examples = `
Examples:
  runbook hang --host web3                  find the hung process, secure its core, restart, say why
  runbook hang --host web3 --dry-run        every command that would run, and nothing else
  runbook capture --host web3 --pid 4711    evidence and core alone; the service is left as it is
  runbook analyze core.4711 --modules lib/  a core that somebody already has
  runbook list                              runbooks and their params

Exit codes: 0 done, 1 internal error, 2 usage or invalid file, 3 a step failed or a decision is needed,
  4 warnings only, 5 a host was unreachable, 6 cancelled or out of time, 7 approval denied`;

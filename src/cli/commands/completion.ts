import { HangarError } from '../../errors.ts';
import { completionScripts } from '../completion/scripts.ts';
import { printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';

export const completionCommand: CommandSpec = {
  declare: command =>
    command.argument('<shell>', [...completionScripts.keys()].join(', ')).addHelpText(
      'after',
      `
It completes commands, runbooks and their params, hosts and labels, runs, cases and steps, as they are at that moment.

Examples:
  source <(runbook completion bash)     in ~/.bashrc
  source <(runbook completion zsh)      in ~/.zshrc, behind compinit
  runbook completion fish | source      in ~/.config/fish/config.fish`,
    ),
  async run(command, options, io) {
    const shell = String(command.processedArgs[0]);
    const script = completionScripts.get(shell);
    if (script === undefined)
      throw new HangarError({
        code: 'NO_SUCH_SHELL',
        message: `there is no completion for "${shell}"`,
        fix: `name one of ${[...completionScripts.keys()].join(', ')}`,
        failure: 'usage',
      });
    printResult(script, options, io);
    return 0;
  },
};

import type { Requirement } from '../fleet/host-profile.ts';
import { judgeCoreDirectory } from './checks/core-directory.ts';
import { judgeFreeDisk } from './checks/free-disk.ts';
import { judgeHostProgram } from './checks/host-program.ts';
import { judgeLeftOverCores } from './checks/left-over-cores.ts';
import { judgePackage } from './checks/package.ts';
import { judgeReplacedPrograms } from './checks/replaced-programs.ts';
import { judgeSudoRule } from './checks/sudo-rule.ts';
import { judgeSymbolKey } from './checks/symbol-key.ts';
import { judgeSymbolRepository } from './checks/symbol-repository.ts';
import { judgeSymbolSource } from './checks/symbol-source.ts';
import { judgeSysctl } from './checks/sysctl.ts';
import type { Judgement } from './judgement.ts';
import type { Situation } from './situation.ts';

/** Whether the host has what its profile asks for. */
export function judgeRequirement(requirement: Requirement, situation: Situation): Judgement {
  switch (requirement.kind) {
    case 'package':
      return judgePackage(requirement, situation);
    case 'symbol-source':
      return judgeSymbolSource(requirement, situation);
    case 'symbol-key':
      return judgeSymbolKey(requirement, situation);
    case 'symbol-repository':
      return judgeSymbolRepository(requirement, situation);
    case 'sysctl':
      return judgeSysctl(requirement, situation);
    case 'core-directory':
      return judgeCoreDirectory(requirement, situation);
    case 'host-program':
      return judgeHostProgram(requirement, situation);
    case 'sudo-rule':
      return judgeSudoRule(requirement, situation);
    case 'free-disk':
      return judgeFreeDisk(requirement, situation);
    case 'left-over-cores':
      return judgeLeftOverCores(requirement, situation);
    case 'replaced-programs':
      return judgeReplacedPrograms(requirement, situation);
    default:
      return requirement satisfies never;
  }
}

import type { Requirement } from '../fleet/host-profile.ts';
import { judgeClock } from './checks/clock.ts';
import { judgeGdbPython } from './checks/gdb-python.ts';
import { judgeReleaseSources } from './checks/release-sources.ts';
import { judgeRunningModules } from './checks/running-modules.ts';
import { judgeRunningSymbols } from './checks/running-symbols.ts';
import type { Judgement, Question } from './judgement.ts';
import type { Situation } from './situation.ts';

export interface BuiltInCheck extends Question {
  readonly origin: 'built-in';
  readonly judge: (situation: Situation) => Judgement;
}

/** What every host is asked, whatever its profile. */
export const builtInChecks: readonly BuiltInCheck[] = [
  {
    id: 'running-symbols',
    severity: 'error',
    why: 'frames of an interpreter without symbols have no file and no line, and its threads may not be found at all',
    origin: 'built-in',
    judge: judgeRunningSymbols,
  },
  {
    id: 'running-modules',
    severity: 'error',
    why: 'a core is read with the very files that ran: without them its frames have no names',
    origin: 'built-in',
    judge: judgeRunningModules,
  },
  {
    id: 'gdb-python',
    severity: 'warning',
    why: 'a core is taken without it, but whoever looks on the host itself has no py-bt',
    origin: 'built-in',
    judge: judgeGdbPython,
  },
  {
    id: 'clock',
    severity: 'warning',
    why: 'the times of the evidence do not fit those of your logs',
    origin: 'built-in',
    judge: judgeClock,
  },
  {
    id: 'release-sources',
    severity: 'error',
    why: 'nothing that is missing can be installed from sources that do not answer',
    origin: 'built-in',
    judge: judgeReleaseSources,
  },
];

/** Whether a check of that name is ours: `package:gdb`, `clock`. */
export function isBuiltIn(id: string): boolean {
  const [kind = ''] = id.split(':', 1);
  return kind in requirementKinds || builtInChecks.some(each => each.id === kind);
}

const requirementKinds: Readonly<Record<Requirement['kind'], true>> = {
  package: true,
  'symbol-source': true,
  'symbol-key': true,
  'symbol-repository': true,
  sysctl: true,
  'core-directory': true,
  'host-program': true,
  'sudo-rule': true,
  'free-disk': true,
  'left-over-cores': true,
  'replaced-programs': true,
};

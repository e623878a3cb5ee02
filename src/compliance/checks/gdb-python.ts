import type { Judgement } from '../judgement.ts';
import { onHost, type Situation } from '../situation.ts';

/** The host's gdb runs Python scripts. */
export function judgeGdbPython(situation: Situation): Judgement {
  const expected = 'gdb runs Python';
  switch (situation.facts.gdbHasPython) {
    case undefined:
      return { is: 'not-applicable', expected, actual: 'there is no gdb' };
    case true:
      return { is: 'met', expected, actual: 'it does' };
    case false:
      return {
        is: 'deviating',
        expected,
        actual: 'it was built without Python, or its Python does not start',
        fix: onHost(situation, 'apt-get install gdb  # not gdb-minimal; then see: gdb -batch -ex "python print(1)"'),
      };
    default:
      return situation.facts.gdbHasPython satisfies never;
  }
}

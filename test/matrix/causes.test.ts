import { beforeAll, describe, expect, test } from 'vitest';
import { analyzeTarget, misquoted } from '../support/analyze-target.ts';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../support/interpreters.ts';
import { wrongIn } from '../support/judge-report.ts';
import { runsOn, startTarget, targetPrograms } from '../support/targets.ts';

beforeAll(() => prepareInterpreters());

describe.each(pythonVersions)('on CPython %s', version => {
  // Most of the time goes by in waiting for programs to stand still.
  test.concurrent.for(targetPrograms.filter(program => runsOn(program, version)))(
    '%s is judged as its source says, with evidence that the core holds',
    async (program, context) => {
      const interpreter = requireInterpreter(version, context);
      await using target = await startTarget(program, interpreter);
      const { report, core, remove } = await analyzeTarget(target, interpreter);
      try {
        expect(wrongIn(report, target.truth)).toEqual([]);
        expect(await misquoted(report, core)).toEqual([]);
      } finally {
        remove();
      }
    },
  );
});

import { describe, expect, test } from 'vitest';
import { analyzeTarget, misquoted } from '../support/analyze-target.ts';
import { requireInterpreter } from '../support/interpreters.ts';
import { wrongIn } from '../support/judge-report.ts';
import { startTarget, targetPrograms } from '../support/targets.ts';

describe.each(['2.7', '3.9', '3.11', '3.13'] as const)('on CPython %s', version => {
  test.each(targetPrograms)('%s is judged as its source says, with evidence that the core holds', async program => {
    await using target = await startTarget(program, requireInterpreter(version));
    const { report, core, remove } = await analyzeTarget(target);
    try {
      expect(wrongIn(report, target.truth)).toEqual([]);
      expect(await misquoted(report, core)).toEqual([]);
    } finally {
      remove();
    }
  });
});

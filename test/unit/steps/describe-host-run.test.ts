import { expect, test } from 'vitest';
import { describeHostRun } from '../../../src/steps/describe-host-run.ts';

const healthy = (candidates: readonly number[]) => ({
  state: 'healthy',
  pid: 4711,
  service: 'apache2',
  reasons: ['the check answered in 0.01 s (status 200)'],
  candidates: candidates.map(pid => ({ pid, state: 'healthy', reasons: [], chosen: pid === 4711 })),
});
const linesOf = (outputs: Record<string, unknown>) =>
  describeHostRun(
    {
      name: 'web3',
      status: 'finished',
      steps: [{ id: 'find', status: 'succeeded', attempts: 1, seconds: 1.2, outputs }],
    },
    '20260102-1',
  );

test('a healthy service is left alone, and the command that looks inside all the same is told', () => {
  expect(linesOf(healthy([4711])).slice(0, 3)).toEqual([
    'web3: apache2 is healthy: the check answered in 0.01 s (status 200). Nothing was touched.',
    '  to look inside all the same: runbook capture --host web3 --pid 4711',
    '  it takes a core, restarts nothing, and names the case to analyze',
  ]);
});

test('of a service of several processes some of the others are named', () => {
  expect(linesOf(healthy([4711, 4712, 4713]))[1]).toBe(
    '  to look inside all the same: runbook capture --host web3 --pid 4711 (or another one of its processes: 4712, 4713)',
  );
  const many = Array.from({ length: 20 }, (_, index) => 4711 + index);
  expect(linesOf(healthy(many))[1]).toMatch(/: 4712, 4713, 4714, 4715 and 15 more\)$/);
});

test('a run that found a process from before its candidates were kept says the same', () => {
  const { candidates: _candidates, ...found } = healthy([]);
  expect(linesOf(found)[1]).toMatch(/runbook capture --host web3 --pid 4711$/);
});

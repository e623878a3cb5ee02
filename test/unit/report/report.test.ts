import { describe, expect, test } from 'vitest';
import { renderReport } from '../../../src/report/render.ts';
import { reportJsonSchema, reportSchema } from '../../../src/report/schema.ts';
import { call } from '../verdict/make.ts';
import { reportOf, severalDrafts, shop } from './make.ts';

const asRun = (file: string) => (file === '/srv/shop.py' ? ({ text: shop, status: 'as-run' } as const) : undefined);
const firstLine = (text: string) => text.split('\n')[0] ?? '';

describe('the first line', () => {
  test('names the cause: class, function, file, line, source text as it ran, request path', () => {
    const line = firstLine(renderReport(reportOf(severalDrafts, { sources: asRun }), 'text'));
    for (const part of [
      'busy-loop',
      'count_orders',
      '/srv/shop.py:3',
      '`while True: orders += 1`',
      'GET /orders',
      '1 thread waits',
      '1 more finding',
    ]) {
      expect(line).toContain(part);
    }
  });

  test('has no source text when the file changed since, or is too short to be the one that ran', () => {
    const changed = reportOf(severalDrafts, { sources: () => ({ text: shop, status: 'changed-since' }) });
    expect(changed.summary).not.toContain('while True');
    const short = reportOf(severalDrafts, { sources: () => ({ text: 'x = 1', status: 'as-run' }) });
    expect(short.threads[0]?.python[0]?.source).toEqual({ firstLine: 0, lines: [], status: 'absent' });
  });

  test('says that nothing hangs when there is no finding', () => {
    const idle = reportOf([{ ...severalDrafts[3]!, syscall: call('accept4', 3n) }]);
    expect(idle.findings).toEqual([]);
    expect(firstLine(renderReport(idle, 'text'))).toMatch(/^Nothing hangs: 1 thread, idle, and no cause found/);
  });

  test('leads on to the child process that a thread waits for', () => {
    const { summary, threads } = reportOf([{ ...severalDrafts[3]!, syscall: call('wait4', 14009n) }]);
    expect(threads[0]?.waits).toMatchObject({ kind: 'child', pid: 14009 });
    expect(summary).toMatch(
      /^Nothing hangs: .*; thread \d+ waits for child process 14009: if that one hangs, look at it\.$/,
    );
  });

  test('never says that nothing hangs where the frames of a thread could not be read', () => {
    const gaps = [{ what: 'Python frames of thread 7', why: 'the memory there is empty' }];
    const { summary } = reportOf([{ ...severalDrafts[3]!, syscall: call('accept4', 3n) }], { gaps });
    expect(summary).toBe(
      'No cause was found, but of 1 of 1 thread the Python frames could not be read: take the core again.',
    );
  });

  test('begins with the notice that a service is still down', () => {
    const notice =
      'apache2 on web3 was NOT restarted, since no core was taken; restart it: runbook hang --host web3 --on-capture-failure recover.';
    expect(firstLine(renderReport(reportOf(severalDrafts, { notice }), 'text')).startsWith(notice)).toBe(true);
  });

  test('shows a query string only on request', () => {
    expect(reportOf(severalDrafts).threads[0]?.request).toEqual({ method: 'GET', path: '/orders' });
    expect(renderReport(reportOf(severalDrafts), 'json')).not.toContain('4111');
    expect(reportOf(severalDrafts, { showQuery: true }).threads[0]?.request?.path).toBe('/orders?card=4111');
  });
});

describe('the report', () => {
  test('fits its schema, and so does one with fields that nobody knows yet', () => {
    const report = reportOf(severalDrafts, {
      sources: asRun,
      capture: { method: 'gcore', coreBytes: 4.2e8, stoppedSeconds: 0.9 },
    });
    expect(reportSchema.safeParse(report).error).toBeUndefined();
    expect(
      reportSchema.parse({ ...report, later: 1, findings: [{ ...report.findings[0], more: true }] }),
    ).toMatchObject({ later: 1, findings: [{ more: true }] });
    expect(reportSchema.safeParse({ ...report, findings: [{}] }).success).toBe(false);
  });

  test('has a JSON Schema that names every required part', () => {
    expect(reportJsonSchema()).toMatchObject({
      type: 'object',
      required: ['schema', 'case', 'summary', 'host', 'process', 'findings', 'threads', 'modules', 'gaps', 'timings'],
    });
  });

  test('writes addresses and values as hexadecimal text', () => {
    const { findings, threads } = reportOf(severalDrafts);
    expect(threads[0]?.holds[0]?.address).toBe('0xa');
    expect(threads[1]?.waits).toEqual({
      kind: 'python-lock',
      address: '0xa',
      owner: 11,
      confidence: 'proven',
      syscall: 'futex',
    });
    expect(findings[0]?.class).toBe('busy-loop');
  });

  test('tells of a module whether its file and symbols were had, and whose package it is', () => {
    const module = {
      name: '/lib/libz.so.1',
      path: '/usr/lib/libz.so.1.2',
      isExecutable: false,
      bias: 0n,
      start: 1n,
      end: 2n,
      file: { status: 'found', path: '/store/x' },
    } as const;
    const { modules } = reportOf(severalDrafts, {
      modules: [module, { ...module, file: { status: 'missing', searched: [] } }],
      packages: { '/usr/lib/libz.so.1.2': 'zlib1g 1:1.2' },
    });
    expect(modules).toEqual([
      { path: '/usr/lib/libz.so.1.2', file: 'found', symbols: 'dynamic', package: 'zlib1g 1:1.2' },
      { path: '/usr/lib/libz.so.1.2', file: 'missing', symbols: 'none', package: 'zlib1g 1:1.2' },
    ]);
  });
});

describe('text', () => {
  test('fits a screen, marks the line in its source, and tells who waits for whom', () => {
    const lines = renderReport(reportOf(severalDrafts, { sources: asRun }), 'text').split('\n');
    expect(lines.length).toBeLessThan(50);
    expect(lines.find(line => line.trimStart().startsWith('>'))).toContain('3      while True: orders += 1');
    expect(lines.find(line => line.includes('→'))).toContain('python-lock 0xa');
    expect(lines.join('\n')).toContain('4 threads: 3 application, 1 idle');
  });

  test('lists what was not read, with the fix', () => {
    const gaps = [{ what: 'native stacks', why: 'gdb is not installed', fix: 'apt-get install gdb' }];
    expect(renderReport(reportOf(severalDrafts, { gaps }), 'text')).toContain(
      'native stacks: gdb is not installed; fix: apt-get install gdb',
    );
  });
});

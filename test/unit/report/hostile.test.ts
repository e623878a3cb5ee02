import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { reportFormats } from '../../../src/report/formats.ts';
import { renderReport } from '../../../src/report/render.ts';
import { type Report, reportSchema } from '../../../src/report/schema.ts';
import { frame } from '../verdict/make.ts';
import { reportOf, severalDrafts } from './make.ts';

const evil = '\u001b[2J\u009b31m</title><script>alert(1)</script>\r\n# heading\n```\n[x](javascript:y)\u202egnp';
const hostile = reportOf(
  severalDrafts.map(draft => ({
    ...draft,
    frames: [{ ...frame('a.py:1 f'), function: evil, file: `/srv/${evil}.py` }],
    request: { method: 'GET', path: `/${evil}` },
  })),
  {
    process: { pid: 1, command: [evil], executable: evil, pythons: [evil] },
    gaps: [{ what: evil, why: evil, fix: evil }],
    sources: () => ({ text: evil, status: 'as-run' }),
  },
);

/** Control characters other than the newline that ends our own lines; bidirectional overrides. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

test.each(['text', 'markdown', 'html'] as const)(
  'data from a process cannot steer a terminal or start a line of its own in %s',
  format => {
    const rendered = renderReport(hostile, format);
    expect(rendered).not.toMatch(steering);
    expect(rendered.split('\n')).not.toContain('# heading');
  },
);

test('data from a process is text in HTML, never markup', () => {
  const html = renderReport(hostile, 'html');
  expect(html).not.toMatch(/<script/i);
  expect(html.match(/<\/title>/g)).toHaveLength(1);
  expect(html).toContain('&lt;script&gt;');
});

test('data from a process is text in Markdown: no link, no markup, no way out of a fence', () => {
  const markdown = renderReport(hostile, 'markdown');
  const { outside, isClosed } = withoutFences(markdown);
  expect(isClosed).toBe(true);
  expect(outside).not.toMatch(/(?<!\\)<|(?<!\\)\]\(/);
});

/** What stands outside of fenced code (CommonMark 4.5), and whether the last fence is closed. */
function withoutFences(markdown: string): { readonly outside: string; readonly isClosed: boolean } {
  const outside: string[] = [];
  let fence: string | undefined;
  for (const line of markdown.split('\n')) {
    if (fence !== undefined) fence = line === fence ? undefined : fence;
    else if (/^`{3,}/.test(line)) fence = /^`+/.exec(line)?.[0];
    else outside.push(line);
  }
  return { outside: outside.join('\n'), isClosed: fence === undefined };
}

test('JSON of hostile data is one document without a byte that steers a terminal', () => {
  const json = renderReport(hostile, 'json');
  expect(JSON.parse(json)).toEqual(hostile);
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  expect(json).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

const text = fc.string({ unit: 'binary', maxLength: 40 });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const address = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(value => `0x${value.toString(16)}`);
const confidence = fc.constantFrom('proven', 'likely', 'suspected');
const lwp = fc.integer({ min: 1, max: 20 });
const place = { function: text, file: text, line: fc.nat(9) };
const thread = fc.record(
  {
    lwp,
    role: fc.constantFrom('application', 'idle', 'runtime'),
    gil: fc.constantFrom('holds', 'waits', 'none'),
    python: fc.array(
      fc.record({
        ...place,
        interpreter: fc.nat(3),
        source: optional(
          fc.record({
            firstLine: fc.nat(9),
            lines: fc.array(text, { maxLength: 4 }),
            status: fc.constantFrom('as-run', 'changed-since', 'given', 'absent'),
          }),
        ),
      }),
      { maxLength: 3 },
    ),
    native: fc.array(
      fc.record({ function: text, module: text, offset: address, file: text, line: fc.nat() }, { requiredKeys: [] }),
      { maxLength: 3 },
    ),
    // Indexes of another thread, or of none: a damaged report is still shown.
    stack: fc.array(fc.oneof(fc.record({ python: fc.nat(5) }), fc.record({ native: fc.nat(5) })), { maxLength: 6 }),
    waits: fc.record(
      {
        kind: fc.constantFrom('io', 'gil', 'python-lock', 'unknown'),
        confidence,
        address,
        owner: lwp,
        peer: text,
        fd: fc.nat(),
        syscall: text,
        timeoutSeconds: fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
      },
      { requiredKeys: ['kind', 'confidence'] },
    ),
    holds: fc.array(fc.record({ kind: text, address }), { maxLength: 2 }),
    request: fc.record({ method: text, path: text }),
    cpuPercent: fc.nat(100),
  },
  { requiredKeys: ['lwp', 'role', 'gil', 'python', 'native', 'stack', 'holds'] },
);
const finding = fc.record({
  class: fc.constantFrom('deadlock', 'busy-loop', 'blocking-io', 'unreadable'),
  confidence,
  summary: text,
  roots: fc.array(fc.record({ lwp, ...place }), { maxLength: 3 }),
  victims: fc.array(lwp, { maxLength: 3 }),
  evidence: fc.array(fc.record({ text, address, value: address }, { requiredKeys: ['text'] }), { maxLength: 3 }),
  next: text,
  signature: text,
});
const report: fc.Arbitrary<Report> = fc
  .record({
    schema: fc.constant('hangar.report/1'),
    case: text,
    summary: text,
    host: fc.record({ name: text }),
    process: fc.record({
      pid: fc.nat(),
      command: fc.array(text, { maxLength: 2 }),
      executable: text,
      pythons: fc.array(text, { maxLength: 2 }),
    }),
    findings: fc.array(finding, { maxLength: 3 }),
    threads: fc.array(thread, { maxLength: 4 }),
    modules: fc.array(
      fc.record({
        path: text,
        file: fc.constantFrom('found', 'missing', 'mismatched'),
        symbols: fc.constantFrom('full', 'dynamic', 'none'),
      }),
      { maxLength: 2 },
    ),
    gaps: fc.array(fc.record({ what: text, why: text }), { maxLength: 2 }),
    timings: fc.array(fc.record({ stage: text, seconds: fc.double({ noNaN: true, noDefaultInfinity: true }) }), {
      maxLength: 2,
    }),
  })
  .map(value => reportSchema.parse(JSON.parse(JSON.stringify(value))));

test('a report survives JSON, and every format renders every report', () => {
  fc.assert(
    fc.property(report, value => {
      expect(reportSchema.parse(JSON.parse(renderReport(value, 'json')))).toEqual(value);
      for (const format of reportFormats) expect(renderReport(value, format).endsWith('\n')).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test.each(['text', 'markdown', 'html'] as const)('no data whatever steers a terminal in %s', format => {
  fc.assert(
    fc.property(report, value => {
      expect(renderReport(value, format)).not.toMatch(steering);
    }),
    { numRuns: 200 },
  );
});

import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { complianceFormats, renderCompliance } from '../../../src/compliance/formats/index.ts';
import { type Compliance, complianceJsonSchema, complianceSchema, states } from '../../../src/compliance/schema.ts';
import { neutralise } from '../../../src/harmless.ts';
import { checkOf, complianceOf, hostOf } from './make-compliance.ts';

const waiver = { reason: 'the new kernel comes in August', owner: 'ops', expires: '2026-09-01T00:00:00+02:00' };
const morning = complianceOf(
  '2026-07-30T06:00:00Z',
  [
    hostOf('web1', { 'package:gdb': 'pass', 'sudo-rule': 'pass' }),
    hostOf(
      'web3',
      {
        'package:gdb': 'pass',
        'package:python2.7-dbg': checkOf('package:python2.7-dbg', 'fail', { expected: 'installed', actual: 'absent' }),
        'key-expiry': 'warn',
        'sysctl:kernel.yama.ptrace_scope': checkOf('sysctl:kernel.yama.ptrace_scope', 'waived', {
          actualState: 'fail',
          waiver,
          fix: '',
        }),
        'own:port': 'error',
        'apache2-symbols': 'not-applicable',
      },
      { profile: 'python-web' },
    ),
    hostOf(
      'web9',
      {
        'package:gdb': checkOf('package:gdb', 'unknown', {
          lastKnownState: 'pass',
          lastKnownAt: '2026-07-29T06:00:09Z',
          fix: '',
        }),
        'sudo-rule': checkOf('sudo-rule', 'unknown', { fix: '' }),
      },
      { error: { code: 'HOST_UNREACHABLE', message: 'cannot reach "web9": time-out', fix: 'ssh web9 true' } },
    ),
  ],
  {
    run: 'r7',
    lastSuccess: '2026-07-29T06:00:00Z',
    waivers: [{ check: 'sudo-rule', host: 'web*', problem: 'unused', state: 'warn' }],
    diff: {
      since: '2026-07-29T06:00:00Z',
      newlyFailing: [{ host: 'web3', check: 'package:python2.7-dbg', from: 'pass', to: 'fail' }],
      fixed: [{ host: 'web3', check: 'package:gdb', from: 'fail', to: 'pass', since: '2026-07-28T06:00:00Z' }],
      flapping: [{ host: 'web3', check: 'own:port', from: 'pass', to: 'error', changes: 4 }],
      newlyWaived: [],
      hostsGone: ['db7'],
      hostsNew: ['web1'],
      notRun: [{ host: 'web3', check: 'zstd' }],
    },
  },
);

test('text tells first how many hosts are ready, then unknown hosts, then what is wrong; the rest is counted', () => {
  expect(renderCompliance(morning, 'text')).toBe(`1 of 3 hosts is ready: 1 unknown, 1 not ready
checked 2026-07-30T06:00:00Z · run r7 · every host was last asked 2026-07-29T06:00:00Z

web9: unknown (checked 2026-07-30T06:00:01Z)
  HOST_UNREACHABLE: cannot reach "web9": time-out
  fix: ssh web9 true
  2 unknown; last known: at 2026-07-29T06:00:09Z 1 pass; 1 never known

web3: not ready (profile python-web · checked 2026-07-30T06:00:01Z)
  fail  package:python2.7-dbg
    expected: installed
    actual: absent
    why: without package:python2.7-dbg no frame is named
    fix: runbook prepare --host web3 --only package:python2.7-dbg
  warn  key-expiry
    expected: key-expiry as the profile says
    actual: key-expiry as found
    why: without key-expiry no frame is named
    fix: runbook prepare --host web3 --only key-expiry
  waived  sysctl:kernel.yama.ptrace_scope
    waived: really fail, by ops until 2026-09-01T00:00:00+02:00: the new kernel comes in August
    expected: sysctl:kernel.yama.ptrace_scope as the profile says
    actual: sysctl:kernel.yama.ptrace_scope as found
    why: without sysctl:kernel.yama.ptrace_scope no frame is named
  error  own:port
    expected: own:port as the profile says
    actual: own:port as found
    why: without own:port no frame is named
    fix: runbook prepare --host web3 --only own:port
  1 pass, 1 not-applicable

waivers to look at
  warn: sudo-rule on web*: unused

since 2026-07-29T06:00:00Z
  newly failing: web3 package:python2.7-dbg: pass → fail
  fixed: web3 package:gdb: fail → pass, since 2026-07-28T06:00:00Z
  flapping: web3 own:port: error now, 4 changes in the last runs
  host gone: db7
  host new: web1
  check not run: web3 zstd

web1: ready, 2 pass
`);
});

test.each([
  [['pass'], '1 of 1 host is ready'],
  [['pass', 'warn', 'waived'], '3 of 3 hosts are ready: 1 ready with warnings, 1 ready by waiver'],
  [['error', 'unknown'], '0 of 2 hosts are ready: 1 unknown, 1 not ready'],
  [['not-applicable'], '0 of 1 host is ready: 1 not applicable'],
  [[], 'no host was asked'],
] as const)('hosts of %j: %s', (hostStates, headline) => {
  const hosts = hostStates.map((state, index) => hostOf(`web${index}`, { gdb: state }));
  expect(renderCompliance(complianceOf('2026-07-30T06:00:00Z', hosts), 'text').split('\n')[0]).toBe(headline);
});

test.each([
  ['a host of which one check is unknown', hostOf('web3', { gdb: 'pass', zstd: 'unknown' }, { state: 'pass' })],
  ['a host without a check', hostOf('web3', {}, { state: 'unknown' })],
])('%s is never told as ready, and as unknown in every format', (_, host) => {
  const value = complianceOf('2026-07-30T06:00:00Z', [host]);
  for (const format of complianceFormats) expect(renderCompliance(value, format)).toMatch(/unknown/);
  for (const format of ['text', 'markdown', 'html'] as const)
    expect(renderCompliance(value, format)).toContain('0 of 1 host is ready');
  expect(renderCompliance(value, 'prometheus')).toContain('hangar_compliance_host_ready{host="web3"} 0\n');
  expect(renderCompliance(value, 'tap')).toMatch(/^not ok /m);
  expect(renderCompliance(value, 'junit')).toContain('errors="1"');
});

test.each(states.filter(state => state !== 'unknown'))(
  'a host with an error of its own is not ready, %s or not',
  state => {
    const error = { code: 'FACTS_UNREADABLE', message: 'no answer', fix: 'ask again' };
    const value = complianceOf('2026-07-30T06:00:00Z', [hostOf('web3', { gdb: 'pass' }, { state, error })]);
    expect(renderCompliance(value, 'text')).toMatch(/^0 of 1 host is ready: 1 not ready\n/);
    expect(renderCompliance(value, 'tap')).toMatch(/^not ok 1 - web3 host\n/m);
    expect(renderCompliance(value, 'junit')).toContain('<error message="error: no answer" type="error">');
  },
);

const nasty = [
  ']]>',
  '<!--',
  '"',
  "'",
  '\n',
  '\r\n',
  '\u001b[2J',
  '\u0000',
  '\ud800',
  '\ufffe',
  '\u202e',
  '|',
  '# TODO',
  '\\',
];
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.array(fc.constantFrom(...nasty, 'ä', 'a'), { maxLength: 6 }).map(parts => parts.join('')),
);
const time = fc.oneof(text, fc.constant('2026-07-30T06:00:00Z'));
const anyState = fc.constantFrom(...states);
const change = fc.record({ host: text, check: text, from: text, to: text });
const check = fc.record(
  {
    id: text,
    state: anyState,
    severity: fc.constantFrom('error', 'warning'),
    expected: text,
    actual: text,
    why: text,
    fix: text,
    lastKnownAt: time,
    lastKnownState: anyState,
    actualState: anyState,
    waiver: fc.record({ reason: text, owner: text, expires: time }),
    origin: fc.constantFrom('profile', 'built-in', 'own'),
  },
  { requiredKeys: ['id', 'state', 'severity', 'expected', 'actual', 'why', 'fix', 'origin'] },
);
const compliance: fc.Arbitrary<Compliance> = fc
  .record(
    {
      schema: fc.constant('hangar.compliance/1'),
      at: time,
      run: text,
      exitCode: fc.nat(7),
      counts: fc.record(Object.fromEntries(states.map(name => [name, fc.nat(9)]))),
      hosts: fc.array(
        fc.record(
          {
            host: text,
            state: anyState,
            profile: text,
            checkedAt: time,
            error: fc.record({ code: text, message: text, fix: text }),
            checks: fc.array(check, { maxLength: 4 }),
          },
          { requiredKeys: ['host', 'state', 'checkedAt', 'checks'] },
        ),
        { maxLength: 4 },
      ),
      waivers: fc.array(fc.record({ check: text, host: text, problem: text, state: fc.constantFrom('warn', 'fail') }), {
        maxLength: 2,
      }),
      lastSuccess: time,
      diff: fc.record({
        since: time,
        newlyFailing: fc.array(change, { maxLength: 2 }),
        fixed: fc.array(change, { maxLength: 2 }),
        flapping: fc.array(
          change.map(each => ({ ...each, changes: 3 })),
          { maxLength: 2 },
        ),
        newlyWaived: fc.array(change, { maxLength: 2 }),
        hostsGone: fc.array(text, { maxLength: 2 }),
        hostsNew: fc.array(text, { maxLength: 2 }),
        notRun: fc.array(fc.record({ host: text, check: text }), { maxLength: 2 }),
      }),
    },
    { requiredKeys: ['schema', 'at', 'exitCode', 'counts', 'hosts', 'waivers'] },
  )
  .map(value => complianceSchema.parse(JSON.parse(JSON.stringify(value))));

/** Control characters other than the newline that ends our own lines; bidirectional overrides. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

test.each(['text', 'markdown', 'html', 'junit', 'tap'] as const)('no data whatever steers a terminal in %s', format => {
  holdsFor(value => {
    const rendered = renderCompliance(value, format);
    expect(rendered).not.toMatch(steering);
    expect(rendered.endsWith('\n')).toBe(true);
  });
});

test('no data begins a line of its own in text', () => {
  holdsFor(value => {
    const harmless: unknown = JSON.parse(JSON.stringify(value), (_, each: unknown) =>
      typeof each === 'string' ? neutralise(each) : each,
    );
    expect(lineCount(value)).toBe(lineCount(complianceSchema.parse(harmless)));
  });
});

function lineCount(value: Compliance): number {
  return renderCompliance(value, 'text').split('\n').length;
}

describe('json', () => {
  test('is the value itself, and no byte of it steers a terminal', () => {
    holdsFor(value => {
      const json = renderCompliance(value, 'json');
      expect(complianceSchema.parse(JSON.parse(json))).toEqual(value);
      expect(json).not.toMatch(steering);
    });
  });

  test('keeps to the JSON Schema that is handed out', () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zod's own type of a JSON Schema
    const schema = z.fromJSONSchema(complianceJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    holdsFor(value => {
      expect(schema.parse(JSON.parse(renderCompliance(value, 'json')))).toEqual(value);
    });
    expect(schema.safeParse({ ...morning, at: 1 }).success).toBe(false);
    expect(schema.safeParse({ ...morning, hosts: [{ ...morning.hosts[0], state: 'fine' }] }).success).toBe(false);
  });
});

describe('junit', () => {
  const python = spawnSync('python3', ['-c', 'import xml.etree.ElementTree, json']).status === 0;

  test.skipIf(!python)('is XML with one case a check; failures, errors and skipped add up', () => {
    const [root] = parseXml([renderCompliance(morning, 'junit')]);
    expect(root?.attributes).toMatchObject({ tests: '11', failures: '2', errors: '4', skipped: '2' });
    const outcomes = root?.children.flatMap(suite =>
      suite.children
        .filter(({ tag }) => tag === 'testcase')
        .map(({ attributes, children }) => [
          attributes['classname'],
          attributes['name'],
          children[0]?.tag ?? 'passed',
          children[0]?.attributes['type'],
        ]),
    );
    expect(outcomes).toEqual([
      ['web1', 'package:gdb', 'passed', undefined],
      ['web1', 'sudo-rule', 'passed', undefined],
      ['web3', 'package:gdb', 'passed', undefined],
      ['web3', 'package:python2.7-dbg', 'failure', 'fail'],
      ['web3', 'key-expiry', 'failure', 'warn'],
      ['web3', 'sysctl:kernel.yama.ptrace_scope', 'skipped', undefined],
      ['web3', 'own:port', 'error', 'error'],
      ['web3', 'apache2-symbols', 'skipped', undefined],
      ['web9', 'host', 'error', 'unknown'],
      ['web9', 'package:gdb', 'error', 'unknown'],
      ['web9', 'sudo-rule', 'error', 'unknown'],
    ]);
  });

  test.skipIf(!python)('is well-formed whatever the data, and names survive', () => {
    const values = fc.sample(compliance, { numRuns: 200, seed: 6 });
    const roots = parseXml(values.map(value => renderCompliance(value, 'junit')));
    expect(roots.map(root => root.children.map(({ attributes }) => attributes['name']))).toEqual(
      values.map(({ hosts }) =>
        hosts.map(({ host }) =>
          neutralise(host)
            .toWellFormed()
            .replaceAll(/[\ufffe\uffff]/g, ''),
        ),
      ),
    );
  });
});

interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
}

const xmlToJson = `
import json, sys, xml.etree.ElementTree as E
tree = lambda e: {'tag': e.tag, 'attributes': e.attrib, 'children': [tree(c) for c in e]}
json.dump([tree(E.fromstring(d.encode())) for d in json.load(sys.stdin)], sys.stdout)`;

function parseXml(documents: readonly string[]): readonly Element[] {
  const { stdout, stderr } = spawnSync('python3', ['-c', xmlToJson], {
    input: JSON.stringify(documents),
    encoding: 'utf8',
    maxBuffer: 2 ** 27,
  });
  expect(stderr).toBe('');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the program above
  return JSON.parse(stdout) as readonly Element[];
}

describe('tap', () => {
  test('says of each check what a harness counts, and of a waived one why', () => {
    const points = parseTap(renderCompliance(morning, 'tap'));
    expect(points.map(({ isOk, description, directive }) => [isOk, description, directive])).toEqual([
      [true, 'web1 package:gdb', ''],
      [true, 'web1 sudo-rule', ''],
      [true, 'web3 package:gdb', ''],
      [false, 'web3 package:python2.7-dbg', ''],
      [false, 'web3 key-expiry', ''],
      [
        false,
        'web3 sysctl:kernel.yama.ptrace_scope',
        'TODO waived: really fail, by ops until 2026-09-01T00:00:00+02:00: the new kernel comes in August',
      ],
      [false, 'web3 own:port', ''],
      [true, 'web3 apache2-symbols', 'SKIP not applicable: apache2-symbols as found'],
      [false, 'web9 host', ''],
      [false, 'web9 package:gdb', ''],
      [false, 'web9 sudo-rule', ''],
    ]);
    expect(points[3]?.diagnostics).toMatchObject({ state: 'fail', expected: 'installed', actual: 'absent' });
    expect(points[9]?.diagnostics).toMatchObject({ state: 'unknown', 'last known': 'pass at 2026-07-29T06:00:09Z' });
  });

  test('has its plan, its numbers and its diagnostics whatever the data; no data becomes a directive', () => {
    holdsFor(value => {
      const points = parseTap(renderCompliance(value, 'tap'));
      const names = value.hosts.flatMap(({ host, error, checks }) => [
        ...(error !== undefined || checks.length === 0 ? [`${host} host`] : []),
        ...checks.map(({ id }) => `${host} ${id}`),
      ]);
      expect(points.map(({ description }) => description)).toEqual(names.map(neutralise));
      for (const { isOk, directive, diagnostics } of points) {
        const told = diagnostics?.['state'] ?? 'pass';
        expect(isOk && told !== 'pass' && told !== 'not-applicable').toBe(false);
        expect(directive.split(' ')[0]).toBe(told === 'waived' ? 'TODO' : told === 'not-applicable' ? 'SKIP' : '');
      }
    });
  });
});

interface TapPoint {
  readonly isOk: boolean;
  readonly description: string;
  readonly directive: string;
  readonly diagnostics: Readonly<Record<string, string>> | undefined;
}

/** TAP 14: version, plan, test points in order, each with one YAML block at most, comments; nothing else. */
function parseTap(tap: string): readonly TapPoint[] {
  const point = '(ok|not ok) (\\d+) - ((?:[^\\\\#\\n]|\\\\[\\\\#])*?)(?: # ([^\\n]*))?\\n';
  const whole = new RegExp(
    `^TAP version 14\\n1\\.\\.(\\d+)(?: # SKIP [^\\n]*)?\\n((?:${point}(?:  ---\\n(?:  "[^\\n]*\\n)*  \\.\\.\\.\\n)?)*)# [^\\n]*\\n$`,
  );
  const [, planned, body = ''] = whole.exec(tap) ?? [];
  expect(planned, `no TAP:\n${tap}`).toBeDefined();
  const points = [...body.matchAll(new RegExp(`${point}(?:  ---\\n((?:  "[^\\n]*\\n)*)  \\.\\.\\.\\n)?`, 'g'))];
  expect(points.map(([, , number]) => Number(number))).toEqual(
    Array.from({ length: Number(planned) }, (_, n) => n + 1),
  );
  return points.map(([, ok, , description = '', directive = '', yaml]) => ({
    isOk: ok === 'ok',
    description: description.replaceAll(/\\([\\#])/g, '$1'),
    directive,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a map of our own
    diagnostics: yaml === undefined ? undefined : (parseYaml(yaml) as Record<string, string>),
  }));
}

describe('prometheus', () => {
  test('has a series a check with its state, the counts, and when the last run and the last success were', () => {
    const series = parseExposition(renderCompliance(morning, 'prometheus'));
    const of = (name: string) => series.filter(each => each.name === `hangar_compliance_${name}`);
    expect(of('check').map(({ labels: { host, check: id, state: found } }) => [host, id, found])).toEqual(
      morning.hosts.flatMap(({ host, checks }) => checks.map(each => [host, each.id, each.state])),
    );
    expect(of('last_run_timestamp_seconds')).toMatchObject([{ labels: {}, value: Date.parse(morning.at) / 1000 }]);
    expect(of('last_success_timestamp_seconds')).toMatchObject([{ value: Date.parse('2026-07-29T06:00:00Z') / 1000 }]);
    expect(of('waiver_expiry_timestamp_seconds')).toMatchObject([{ value: Date.parse('2026-08-31T22:00:00Z') / 1000 }]);
    expect(of('host_ready').map(({ value }) => value)).toEqual([1, 0, 0]);
    expect(of('host_checks').filter(({ labels, value }) => labels['host'] === 'web9' && value > 0)).toMatchObject([
      { labels: { state: 'unknown' }, value: 2 },
    ]);
  });

  test('has no time where none is known', () => {
    const never = complianceOf('soon', [hostOf('web3', { gdb: 'pass' })]);
    expect(renderCompliance(never, 'prometheus')).not.toMatch(/timestamp|NaN/);
  });

  test('keeps to the exposition format whatever the data, names survive, and no series is there twice', () => {
    holdsFor(value => {
      const series = parseExposition(renderCompliance(value, 'prometheus'));
      const hosts = series
        .filter(({ name }) => name === 'hangar_compliance_host_ready')
        .map(({ labels }) => labels['host']);
      expect(hosts).toEqual([...new Set(value.hosts.map(({ host }) => host.toWellFormed()))]);
      const keys = series.map(({ name, labels }) => JSON.stringify([name, labels]));
      expect(keys).toEqual([...new Set(keys)]);
    });
  });
});

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Exposition format 0.0.4 without time stamps: groups of HELP, TYPE and at least one sample of that name. */
function parseExposition(exposition: string): readonly Series[] {
  const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
  const sample = `([a-z_]+)(?:\\{((?:${label})(?:,${label})*)\\})? (\\d+(?:\\.\\d+)?|-\\d+(?:\\.\\d+)?)\\n`;
  const group = `# HELP ([a-z_]+) [^\\n\\\\]+\\n# TYPE \\1 gauge\\n(?:\\1(?:\\{[^\\n]*\\})? [^\\n ]+\\n)+`;
  expect(exposition.replaceAll(new RegExp(group, 'gy'), '')).toBe('');
  const names = [...exposition.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  expect(names).toEqual([...new Set(names)]);
  const samples = exposition.replaceAll(/^# (?:HELP|TYPE) .*\n/gm, '');
  expect(samples.replaceAll(new RegExp(sample, 'gy'), '')).toBe('');
  return [...samples.matchAll(new RegExp(sample, 'gy'))].map(([, name = '', labels = '', value]) => ({
    name,
    labels: Object.fromEntries(
      [...labels.matchAll(/([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', escaped = '']) => [
        key,
        escaped.replaceAll(/\\(.)/g, (_, each: string) => (each === 'n' ? '\n' : each)),
      ]),
    ),
    value: Number(value),
  }));
}

describe('html', () => {
  test('has a table a host, and passes folded away', () => {
    const html = renderCompliance(morning, 'html');
    expect(html.match(/<h2>web\d: /g)).toEqual(['<h2>web9: ', '<h2>web3: ', '<h2>web1: ']);
    expect(html).toContain('<td class="unknown">unknown</td><td>package:gdb</td>');
    expect(html).toContain('<summary>2 pass</summary>');
    expect(html).toContain('really fail, by ops until 2026-09-01T00:00:00+02:00');
  });

  test('has no tag but ours, each closed in order, whatever the data', () => {
    holdsFor(value => {
      const html = renderCompliance(value, 'html').replace(/^<!doctype html>\n/, '');
      const open: string[] = [];
      const closed: (readonly [string | undefined, string])[] = [];
      for (const [, slash, name = ''] of html.matchAll(
        /<(\/?)([a-z0-9]+)(?: (?:lang|charset|http-equiv|content|name|class|scope)="[^"<>]*")*>/g,
      )) {
        if (slash) closed.push([open.pop(), name]);
        else if (!['meta', 'br'].includes(name)) open.push(name);
        expect(ours).toContain(name);
      }
      expect(open).toEqual([]);
      expect(closed.filter(([last, name]) => last !== name)).toEqual([]);
      expect(html.match(/</g)?.length).toBe(html.match(/>/g)?.length);
      expect(html.match(/</g)?.length).toBe(html.match(/<\/?[a-z]/g)?.length);
    });
  });
});

const ours =
  'html head meta title style body h1 h2 p br section table thead tbody tr th td dl dt dd details summary ul li'.split(
    ' ',
  );

describe('markdown', () => {
  test('has a table a host with what is not pass', () => {
    const lines = renderCompliance(morning, 'markdown').split('\n');
    expect(lines[0]).toBe('# 1 of 3 hosts is ready: 1 unknown, 1 not ready');
    expect(lines.filter(line => line.startsWith('## web'))).toEqual([
      '## web9: unknown',
      '## web3: not ready',
      '## web1: ready',
    ]);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^\| fail \| package:python2\.7\\-dbg \| \*\*expected\*\* installed<br>\*\*actual\*\* absent<br>/,
      ),
    );
  });

  test('every row has three cells and no markup but ours, whatever the data', () => {
    holdsFor(value => {
      const markdown = renderCompliance(value, 'markdown');
      const bare = markdown.replaceAll(/\\[^\n]/g, '');
      for (const row of bare.split('\n').filter(line => line.startsWith('|'))) expect(row.split('|')).toHaveLength(5);
      expect(bare.replaceAll('<br>', '')).not.toMatch(/[<>`[\]]/);
      const headings = markdown.split('\n').filter(line => line.startsWith('#'));
      const lists = [value.waivers.length > 0, value.diff !== undefined].filter(Boolean);
      expect(headings).toHaveLength(1 + value.hosts.length + lists.length);
    });
  });
});

function holdsFor(law: (value: Compliance) => void): void {
  fc.assert(fc.property(compliance, law), { numRuns: 100 });
}

import { neutralise } from '../../harmless.ts';
import type { Compliance, HostCompliance } from '../schema.ts';
import { type TestCase, testCasesOf } from './test-cases.ts';

/**
 * JUnit XML as Jenkins and GitLab read it: a suite a host, a case a check. `fail` and `warn` are failures, `error` and
 * `unknown` errors, `waived` and `not-applicable` skipped; `type` has the state itself.
 */
export function renderJunit(value: Compliance): string {
  const suites = value.hosts.map(host => ({ host, cases: testCasesOf(host) }));
  const all = suites.flatMap(({ cases }) => cases);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes([['name', 'hangar compliance'], ...countsOf(all)])}>`,
    ...suites.flatMap(({ host, cases }) => suiteOf(host, cases)),
    '</testsuites>',
    '',
  ].join('\n');
}

type Attribute = readonly [name: string, value: string];

function suiteOf({ host, checkedAt, profile }: HostCompliance, cases: readonly TestCase[]): readonly string[] {
  const suite = attributes([['name', host], ['hostname', host], ['timestamp', checkedAt], ...countsOf(cases)]);
  const property = `      <property${attributes([
    ['name', 'profile'],
    ['value', profile ?? ''],
  ])}/>`;
  return [
    `  <testsuite${suite}>`,
    ...(profile === undefined ? [] : ['    <properties>', property, '    </properties>']),
    ...cases.flatMap(each => caseOf(host, each)),
    '  </testsuite>',
  ];
}

function countsOf(cases: readonly TestCase[]): readonly Attribute[] {
  const count = (outcome: TestCase['outcome']) => String(cases.filter(each => each.outcome === outcome).length);
  return [
    ['tests', String(cases.length)],
    ['failures', count('failed')],
    ['errors', count('error')],
    ['skipped', count('skipped')],
  ];
}

const elementOf = { failed: 'failure', error: 'error', skipped: 'skipped' } as const;

function caseOf(host: string, { name, state, outcome, message, details }: TestCase): readonly string[] {
  const start = `    <testcase${attributes([
    ['classname', host],
    ['name', name],
  ])}`;
  if (outcome === 'passed') return [`${start}/>`];
  const element = elementOf[outcome];
  const type: readonly Attribute[] = outcome === 'skipped' ? [] : [['type', state]];
  const text = details.map(([key, value]) => escapeXml(`${key}: ${value}`)).join('\n');
  return [
    `${start}>`,
    `      <${element}${attributes([['message', message], ...type])}>${text}</${element}>`,
    '    </testcase>',
  ];
}

function attributes(all: readonly Attribute[]): string {
  return all.map(([name, value]) => ` ${name}="${escapeXml(value)}"`).join('');
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** What XML 1.0 forbids (2.2, Char) cannot be written as an entity either: shown as an escape, or left out. */
function escapeXml(text: string): string {
  return neutralise(text)
    .toWellFormed()
    .replaceAll(/[\ufffe\uffff]/g, '')
    .replaceAll(/[&<>"]/g, character => entities[character] ?? '');
}

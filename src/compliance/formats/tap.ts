import { harmlessJson, neutralise } from '../../harmless.ts';
import type { Compliance } from '../schema.ts';
import { headlineOf } from './standing.ts';
import { type TestCase, testCasesOf } from './test-cases.ts';

/**
 * TAP 14, one line a check of a host. `not ok`: whatever is not known to be right; a waived check is a `# TODO`, which
 * harnesses show and do not count as a failure. Diagnostics are YAML.
 */
export function renderTap(value: Compliance): string {
  const all = value.hosts.flatMap(({ host, checks, ...rest }) =>
    testCasesOf({ host, checks, ...rest }).map(testCase => ({ host, ...testCase })),
  );
  return [
    'TAP version 14',
    all.length === 0 ? '1..0 # SKIP no host was asked' : `1..${all.length}`,
    ...all.flatMap((each, index) => linesOf(index + 1, each)),
    `# ${headlineOf(value)}`,
    '',
  ].join('\n');
}

function linesOf(number: number, each: TestCase & { readonly host: string }): readonly string[] {
  const { host, name, state, message, details } = each;
  const isOk = state === 'pass' || state === 'not-applicable';
  const point = `${isOk ? 'ok' : 'not ok'} ${number} - ${escape(`${host} ${name}`)}${directiveOf(each)}`;
  if (each.outcome === 'passed') return [point];
  const diagnostics = [['message', message], ['state', state], ...details].map(
    ([key, text]) => `  ${harmlessJson(key)}: ${harmlessJson(text)}`,
  );
  return [point, '  ---', ...diagnostics, '  ...'];
}

function directiveOf({ state, message }: TestCase): string {
  if (state === 'waived') return ` # TODO ${escape(message)}`;
  return state === 'not-applicable' ? ` # SKIP ${escape(message)}` : '';
}

/** A bare `#` would begin a directive (TAP 14, Escaping). */
function escape(text: string): string {
  return neutralise(text).replaceAll(/[\\#]/g, '\\$&');
}

import type { Schedule } from '../fleet/schedules.ts';
import { kebabCase } from '../runbook/names.ts';

export interface Place {
  /** As `--fleet` takes it. */
  readonly fleet: string;
  /** State directory, absolute. */
  readonly state: string;
}

/** What is typed behind `runbook` to run what a schedule says. */
export function runArguments({ runbook, host, params }: Schedule, { fleet, state }: Place): readonly string[] {
  return [
    runbook,
    `--host=${host}`,
    ...Object.entries(params).flatMap(([name, value]) => optionsOf(kebabCase(name), value)),
    `--fleet=${fleet}`,
    `--state=${state}`,
    '--format=json',
    '--quiet',
  ];
}

/** One text each, so that a value that begins with a dash is no option. */
function optionsOf(name: string, value: Schedule['params'][string]): readonly string[] {
  if (value === true) return [`--${name}`];
  if (value === false) return [`--no-${name}`];
  return typeof value === 'object' ? value.map(each => `--${name}=${each}`) : [`--${name}=${value}`];
}

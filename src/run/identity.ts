import { createHash } from 'node:crypto';
import type { StepIdentity } from './history.ts';

/** Hash of a step's inputs, 16 hex digits, whatever the order of their keys. Secrets must be masked before. */
export function inputHash(input: unknown): string {
  return hash(canonical(input));
}

/** Idempotency key of the nth start of a step, from 0: 16 hex digits. */
export function startKey(run: string, { host, step, item, input }: StepIdentity, start: number): string {
  return hash(JSON.stringify([run, host, step, item ?? null, input, start]));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
}

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { StepRuntime } from '../../../src/runbook/step-kind.ts';

export interface TestRuntime extends StepRuntime {
  readonly said: string[];
  /** What was known of the output so far. */
  readonly kept: unknown[];
}

/** What the engine hands to a step, with what it said kept; its folder goes with the test. */
export function makeRuntime(changes: Partial<StepRuntime> = {}): TestRuntime {
  const said: string[] = [];
  const kept: unknown[] = [];
  let folder: string | undefined;
  onTestFinished(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });
  return {
    signal: new AbortController().signal,
    attempt: 1,
    key: newKey(),
    where: 'host',
    timeoutSeconds: 30,
    killAfterSeconds: 1,
    keep: output => void kept.push(output),
    progress: text => void said.push(text),
    ask: async () => undefined,
    approve: async () => ({ approvedBy: [] }),
    folder: async () => (folder ??= mkdtempSync(join(tmpdir(), 'hangar-step-test-'))),
    said,
    kept,
    ...changes,
  };
}

export function newKey(): string {
  return randomBytes(8).toString('hex');
}

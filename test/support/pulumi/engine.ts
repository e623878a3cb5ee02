import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type EngineEvent,
  LocalWorkspace,
  type PreviewOptions,
  type PulumiFn,
  type Stack,
  type UpOptions,
} from '@pulumi/pulumi/automation/index.js';
import type { TestContext } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';

/** A stack of its own, on the real engine, with its state in a folder; the stand-in executes its commands. */
export interface TestStack {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Its config says where that is. */
  writeFleet(content: Readonly<Record<string, unknown>>): Promise<void>;
  configure(key: string, value: string): Promise<void>;
  preview(program: PulumiFn, options?: PreviewOptions): Promise<Told>;
  up(program: PulumiFn, options?: UpOptions): Promise<Told>;
  destroy(): Promise<Told>;
  outputs(): Promise<Readonly<Record<string, unknown>>>;
  /** Names of the resources that there are. */
  resources(): Promise<readonly string[]>;
  /** Every file of the state, one after another. */
  state(): Promise<string>;
  remove(): Promise<void>;
}

/** What an operation said, and what it did to each resource. */
export interface Told {
  readonly succeeded: boolean;
  /** What the terminal shows. */
  readonly text: string;
  /** By name: `create`, `update`, `delete`; those that stay as they are left out. */
  readonly changes: Readonly<Record<string, string>>;
  /** Names of the inputs that a change is about, by resource. */
  readonly inputs: Readonly<Record<string, readonly string[]>>;
  /** Messages by the resource in whose row they stand. */
  readonly messages: Readonly<Record<string, readonly string[]>>;
  readonly seconds: number;
}

/** Skips the running test, with the reason, where there is no Pulumi CLI; with CI=true it fails instead. */
export function requirePulumi(context: TestContext): void {
  if (requirePulumi.isThere) return;
  const reason = 'there is no Pulumi CLI on PATH';
  if (process.env['CI'] === 'true') throw new Error(reason);
  context.skip(reason);
}

requirePulumi.isThere = isThere();

function isThere(): boolean {
  try {
    execFileSync('pulumi', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function makeStack(): Promise<TestStack> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-stack-'));
  keepSocketsIn(folder);
  const env = {
    PATH: [dirname(process.execPath), import.meta.dirname, process.env['PATH']].join(':'),
    PULUMI_HOME: join(folder, 'home'),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: 'only for this test',
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
  };
  await writeFile(join(folder, 'Pulumi.yaml'), 'name: hangar\nruntime: nodejs\n');
  const stack = await LocalWorkspace.createOrSelectStack(
    { stackName: 'test', projectName: 'hangar', program: async () => ({}) },
    { workDir: folder, envVars: env },
  );
  const fleet = join(folder, 'fleet.yaml');
  await stack.setConfig('fleet', { value: fleet });
  return {
    folder,
    env,
    writeFleet: content => writeFile(fleet, stringify({ version: 1, ...content })),
    configure: (key, value) => stack.setConfig(key, { value }),
    preview: (program, options) => operation(stack, program, each => stack.preview({ ...options, ...each })),
    up: (program, options) => operation(stack, program, each => stack.up({ ...options, ...each })),
    destroy: () =>
      operation(
        stack,
        async () => ({}),
        each => stack.destroy(each),
      ),
    async outputs() {
      return Object.fromEntries(Object.entries(await stack.outputs()).map(([name, { value }]) => [name, value]));
    },
    async resources() {
      const { resources } = deployment.parse((await stack.exportStack()).deployment);
      return resources.map(({ urn }) => nameOf(urn));
    },
    state: () => readAll(join(folder, '.pulumi')),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Of the first stack, so that they go with it; a test process ends without a word. */
function keepSocketsIn(folder: string): void {
  if (hasSockets) return;
  process.env['XDG_RUNTIME_DIR'] = folder;
  hasSockets = true;
}

let hasSockets = false;

const deployment = z.looseObject({ resources: z.array(z.looseObject({ urn: z.string() })).default([]) });

interface Watching {
  readonly onOutput: (text: string) => void;
  readonly onError: (text: string) => void;
  readonly onEvent: (event: EngineEvent) => void;
  readonly diff: true;
}

async function operation(
  stack: Stack,
  program: PulumiFn,
  act: (watching: Watching) => Promise<unknown>,
): Promise<Told> {
  const events: EngineEvent[] = [];
  let text = '';
  const write = (chunk: string): void => void (text += chunk);
  stack.workspace.program = program;
  const began = performance.now();
  const succeeded = await act({
    onOutput: write,
    onError: write,
    onEvent: event => events.push(event),
    diff: true,
  }).then(
    () => true,
    error => {
      text += String(error);
      return false;
    },
  );
  const seconds = (performance.now() - began) / 1000;
  return { succeeded, text, seconds, ...changesIn(events), messages: messagesIn(events) };
}

function changesIn(events: readonly EngineEvent[]): Pick<Told, 'changes' | 'inputs'> {
  const steps = events.flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? []);
  const changed = steps.filter(({ op, type }) => op !== 'same' && type !== 'pulumi:pulumi:Stack');
  return {
    changes: Object.fromEntries(changed.map(({ urn, op }) => [nameOf(urn), op])),
    inputs: Object.fromEntries(
      changed.map(({ urn, diffs, detailedDiff }) => [nameOf(urn), diffs ?? Object.keys(detailedDiff ?? {})]),
    ),
  };
}

const shown: ReadonlySet<string> = new Set(['info', 'info#err', 'warning', 'error']);

function messagesIn(events: readonly EngineEvent[]): Told['messages'] {
  const messages: Record<string, string[]> = {};
  for (const { diagnosticEvent } of events) {
    // The types do not know of `debug`, which the engine does send.
    if (diagnosticEvent === undefined || !shown.has(diagnosticEvent.severity)) continue;
    const name = diagnosticEvent.urn ? nameOf(diagnosticEvent.urn) : '';
    (messages[name] ??= []).push(`${diagnosticEvent.severity}: ${diagnosticEvent.message.trim()}`);
  }
  return messages;
}

function nameOf(urn: string): string {
  return urn.split('::').at(-1) ?? urn;
}

async function readAll(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  return (await Promise.all(files.map(file => readFile(file, 'utf8')))).join('\n');
}

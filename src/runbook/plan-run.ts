import type { Host } from '../fleet/host.ts';
import type { ParamValues, Runbook, Step } from './runbook.ts';
import type { Risk } from './step-kind.ts';
import { fill, placeholder, readsOf, type Template } from './template.ts';

/** What a run would do: a value that the dry run prints. */
export interface Plan {
  readonly schema: 'hangar.plan/1';
  readonly runbook: string;
  readonly params: ParamValues;
  readonly hosts: readonly HostPlan[];
}

export interface HostPlan {
  readonly name: string;
  readonly steps: readonly StepPlan[];
}

export interface StepPlan {
  readonly id: string;
  readonly uses: string;
  readonly risk: Risk;
  /** Runs at the end, whatever happened. */
  readonly always: boolean;
  readonly needs: readonly string[];
  /** Its condition, where that depends on later results. */
  readonly when?: string;
  /** Its condition is false already. */
  readonly skipped: boolean;
  /** `<…>` where a value depends on later results. */
  readonly with: Readonly<Record<string, unknown>>;
  readonly commands: readonly string[];
}

/** Every step on every host with what is known before anything runs. Touches nothing. */
export function planRun<Context>(
  runbook: Runbook<Context>,
  params: ParamValues,
  hosts: readonly Host[],
  contextOf: (host: Host) => Context,
): Plan {
  return {
    schema: 'hangar.plan/1',
    runbook: runbook.name,
    params,
    hosts: hosts.map(host => planHost(runbook, params, host, contextOf(host))),
  };
}

function planHost<Context>(runbook: Runbook<Context>, params: ParamValues, host: Host, context: Context): HostPlan {
  const values = {
    params,
    host: { name: host.name, labels: host.labels, ...(host.address !== undefined && { address: host.address }) },
  };
  const planned = (step: Step<Context>, always: boolean): StepPlan => planStep(step, values, context, always);
  return {
    name: host.name,
    steps: [...runbook.steps.map(step => planned(step, false)), ...runbook.always.map(step => planned(step, true))],
  };
}

function planStep<Context>(step: Step<Context>, values: unknown, context: Context, always: boolean): StepPlan {
  const entries = Object.entries(step.with);
  const known = entries.flatMap(([key, template]) =>
    isKnown(template) ? [[key, fill(template, values)] as const] : [],
  );
  const input = Object.fromEntries(known.filter(([, value]) => value !== undefined));
  const later = entries
    .filter(([, template]) => !isKnown(template))
    .map(([key, template]) => [key, placeholder(template)]);
  const isDecided = step.when !== undefined && !step.when.reads.some(dependsOnRun);
  const skipped = isDecided && step.when?.evaluate(values) !== true;
  return {
    id: step.id,
    uses: step.kind.name,
    risk: step.risk,
    always,
    needs: step.needs,
    skipped,
    ...(step.when !== undefined && !isDecided && { when: step.when.text }),
    with: { ...input, ...Object.fromEntries(later) },
    commands: skipped ? [] : step.kind.commands(input, context),
  };
}

function isKnown(template: Template): boolean {
  return !readsOf(template).some(dependsOnRun);
}

function dependsOnRun(path: string): boolean {
  return path.startsWith('steps.') || path.startsWith('run.');
}

/** The plan for people. */
export function renderPlan({ runbook, hosts }: Plan): string {
  const count = hosts.length === 1 ? '1 host' : `${hosts.length} hosts`;
  return [`plan of "${runbook}" on ${count}; nothing has been run`, ...hosts.flatMap(renderHost)].join('\n');
}

function renderHost({ name, steps }: HostPlan): readonly string[] {
  return ['', `${name}:`, ...steps.flatMap(renderStep)];
}

function renderStep({ id, uses, risk, always, when, skipped, commands }: StepPlan): readonly string[] {
  const notes = [
    risk,
    ...(always ? ['always'] : []),
    ...(when === undefined ? [] : [`when ${when}`]),
    ...(skipped ? ['skipped: its condition is false'] : []),
  ];
  return [`  ${id}: ${uses} (${notes.join('; ')})`, ...commands.map(command => `    $ ${command}`)];
}

import type { Host } from '../fleet/host.ts';
import type { Expression } from './expression.ts';
import type { Param, ParamValues, Runbook, Step } from './runbook.ts';
import type { Risk } from './step-kind.ts';
import { fillAllKnown, readsOf, type Template } from './template.ts';

/** What a run would do: a value that the dry run prints. */
export interface Plan {
  readonly schema: 'hangar.plan/1';
  readonly runbook: string;
  /** Secrets as the references that were given. */
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
  readonly where: 'host' | 'controller';
  /** Runs at the end of its host, or behind its step, whatever happened. */
  readonly always: boolean;
  /** Runs only when something failed. */
  readonly rescue: boolean;
  readonly needs: readonly string[];
  /** Its condition, where that depends on later results. */
  readonly when?: string;
  /** Its list, where that depends on later results. */
  readonly foreach?: string;
  /** Its condition is false already. */
  readonly skipped: boolean;
  /** `<…>` where a value depends on later results. */
  readonly with: Readonly<Record<string, unknown>>;
  /** What is asked first: where it succeeds the step is done already. */
  readonly check: readonly string[];
  /** In order; of a step with items those of each of them. */
  readonly commands: readonly string[];
  /** Of the runbook that it includes, of its rescue and of its always. */
  readonly steps: readonly StepPlan[];
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
    hosts: hosts.map(host => ({
      name: host.name,
      steps: planRunbook(runbook, { host: hostValues(host), params: shown(runbook, params) }, contextOf(host)),
    })),
  };
}

/** What expressions may read of a host. */
export function hostValues({ name, address, labels }: Host) {
  return { name, labels, ...(address !== undefined && { address }) };
}

/** Param values for the eye: what a secret stands for is not even looked up. */
function shown<Context>({ params }: Runbook<Context>, values: ParamValues): ParamValues {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      params.get(name)?.type === 'secret' ? secretMark(name) : value,
    ]),
  );
}

function secretMark(name: string): string {
  return `<secret ${name}>`;
}

function isSecret(path: string, { params }: Values): boolean {
  const [root, name = ''] = path.split('.');
  return root === 'params' && params[name] === secretMark(name);
}

interface Values {
  readonly host: unknown;
  readonly params: Readonly<Record<string, unknown>>;
  readonly item?: unknown;
}

type Role = 'step' | 'rescue' | 'always';

function planRunbook<Context>(runbook: Runbook<Context>, values: Values, context: Context): readonly StepPlan[] {
  return [
    ...runbook.steps.map(step => planStep(step, values, context, 'step')),
    ...runbook.rescue.map(step => planStep(step, values, context, 'rescue')),
    ...runbook.always.map(step => planStep(step, values, context, 'always')),
  ];
}

function planStep<Context>(step: Step<Context>, values: Values, context: Context, role: Role): StepPlan {
  const { id, kind, risk, where, needs, when, foreach } = step;
  const decided = when && knownValue(when, values);
  const skipped = decided !== undefined && decided.value !== true;
  const items = foreach === undefined ? [undefined] : knownItems(step, values);
  const each = items?.map(item => (foreach === undefined ? values : { ...values, item })) ?? [values];
  const inputs = each.map(known => fillAllKnown(step.with, known, path => isLater(path, known)));
  return {
    id,
    uses: kind.name,
    risk,
    where,
    always: role === 'always',
    rescue: role === 'rescue',
    needs,
    skipped,
    ...(when !== undefined && decided === undefined && { when: when.text }),
    ...(foreach !== undefined && items === undefined && { foreach: foreach.items.text }),
    with: inputs[0] ?? {},
    check: skipped ? [] : checkCommands(step, values, context),
    commands: skipped ? [] : each.flatMap(known => kind.commands(knownInputs(step.with, known), context, where)),
    steps: skipped ? [] : nestedPlans(step, values, context, inputs[0] ?? {}),
  };
}

/** What a kind makes its commands of: it names itself what is known only later; within maps and lists that is marked. */
function knownInputs(templates: Readonly<Record<string, Template>>, values: Values): Record<string, unknown> {
  const later = (path: string): boolean => isLater(path, values);
  const whole = Object.entries(templates).filter(
    ([, template]) => template.kind === 'map' || template.kind === 'list' || !readsOf(template).some(later),
  );
  return fillAllKnown(Object.fromEntries(whole), values, later);
}

/** The items of a step, where they are known now. */
function knownItems<Context>({ foreach }: Step<Context>, values: Values): readonly unknown[] | undefined {
  const items = foreach && knownValue(foreach.items, values);
  return items && (Array.isArray(items.value) ? items.value : []);
}

/** What an expression gives, where that is known now; where it fails the run will say why. */
function knownValue(expression: Expression, values: Values): { readonly value: unknown } | undefined {
  if (expression.reads.some(path => isLater(path, values) || isSecret(path, values))) return undefined;
  try {
    return { value: expression.evaluate(values) };
  } catch {
    return undefined;
  }
}

function checkCommands<Context>({ check, where }: Step<Context>, values: Values, context: Context): readonly string[] {
  if (check === undefined) return [];
  return check.kind.commands(knownInputs(check.with, values), context, where);
}

function nestedPlans<Context>(
  step: Step<Context>,
  values: Values,
  context: Context,
  { params }: Readonly<Record<string, unknown>>,
): readonly StepPlan[] {
  const { include, id } = step;
  const inner =
    include === undefined
      ? []
      : planRunbook(include, { host: values.host, params: paramsOfIncluded(include, params) }, context);
  return [
    ...inner.map(plan => ({ ...plan, id: `${id}/${plan.id}` })),
    ...step.rescue.map(each => planStep(each, values, context, 'rescue')),
    ...step.always.map(each => planStep(each, values, context, 'always')),
  ];
}

/** What was given, and the defaults of what was not. */
export function paramsOfIncluded<Context>(
  { params }: Runbook<Context>,
  given: unknown,
): Readonly<Record<string, unknown>> {
  const defaults = [...params.values()].flatMap(({ name, type, default: preset }: Param) =>
    preset === undefined || type === 'secret' ? [] : [[name, preset] as const],
  );
  return { ...Object.fromEntries(defaults), ...(typeof given === 'object' && given !== null ? given : {}) };
}

function isLater(path: string, values?: Values): boolean {
  const [root] = path.split('.');
  return (
    root === 'steps' ||
    root === 'run' ||
    root === 'failure' ||
    (root === 'item' && !(values !== undefined && 'item' in values))
  );
}

/** The plan for people. */
export function renderPlan({ runbook, hosts }: Plan): string {
  const count = hosts.length === 1 ? '1 host' : `${hosts.length} hosts`;
  return [`plan of "${runbook}" on ${count}; nothing has been run`, ...hosts.flatMap(renderHost)].join('\n');
}

function renderHost({ name, steps }: HostPlan): readonly string[] {
  return ['', `${name}:`, ...steps.flatMap(step => renderStep(step, '  '))];
}

function renderStep(plan: StepPlan, indent: string): readonly string[] {
  const { id, uses, risk, where, always, rescue, when, foreach, skipped, check, commands, steps } = plan;
  const notes = [
    risk,
    ...(where === 'controller' ? ['on this machine'] : []),
    ...(always ? ['always'] : []),
    ...(rescue ? ['on failure'] : []),
    ...(when === undefined ? [] : [`when ${when}`]),
    ...(foreach === undefined ? [] : [`for each item of ${foreach}`]),
    ...(skipped ? ['skipped: its condition is false'] : []),
  ];
  return [
    `${indent}${id}: ${uses} (${notes.join('; ')})`,
    ...check.map(line => `${indent}  done already if: ${line}`),
    ...commands.map(command => `${indent}  $ ${command}`),
    ...steps.flatMap(step => renderStep(step, `${indent}  `)),
  ];
}

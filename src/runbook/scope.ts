import { type CelField, type CelType, celTypeOf } from './cel-type.ts';
import type { Scope } from './expression.ts';
import { declaredOutputs, typeOfOutput } from './outputs.ts';
import type { Param, Runbook, Step, StepKinds } from './runbook.ts';
import type { StepFile } from './schema.ts';

/** All that an expression of a runbook may name (contract, `Expressions`). */
export function scopeOf(params: Iterable<Param>, outputs: ReadonlyMap<string, CelType>): Scope {
  const steps = [...outputs].map(([id, type]): [string, CelField] => [id, optional(type)]);
  return {
    kind: 'object',
    fields: {
      params: required(object([...params].map(param => [param.name, paramField(param)]))),
      steps: required(object(steps)),
      host: required(
        object([
          ['name', required({ kind: 'string' })],
          ['address', optional({ kind: 'string' })],
          ['labels', required({ kind: 'map' })],
        ]),
      ),
      run: required(object([['id', required({ kind: 'string' })]])),
    },
  };
}

/** The scope with one more name. */
export function withName(scope: Scope, name: string, type: CelType): Scope {
  return { kind: 'object', fields: { ...scope.fields, [name]: required(type) } };
}

/** What `failure` is in the steps of `rescue` and `always`: which step failed first, and why. */
export function failureType(isCertain: boolean): CelType {
  const field: CelField = { type: { kind: 'string' }, optional: !isCertain };
  return object(['step', 'code', 'message', 'fix'].map(name => [name, field]));
}

/** The scope in which `steps.ID` is of another type. */
export function withStep(scope: Scope, id: string, type: CelType): Scope {
  const steps = scope.fields['steps']?.type;
  const fields = steps?.kind === 'object' ? steps.fields : {};
  return withName(scope, 'steps', { kind: 'object', fields: { ...fields, [id]: optional(type) } });
}

/** What `steps.ID` holds once the step succeeded. */
export function outputTypeOf<Context>(
  step: StepFile,
  kinds: StepKinds<Context>,
  included: Runbook<Context> | undefined,
): CelType {
  const one = itemOutputTypeOf(step, kinds, included);
  return step.foreach === undefined ? one : object([['results', required({ kind: 'list', of: one })]]);
}

/** What a single item of a step gives out; of a step without items the step. */
export function itemOutputTypeOf<Context>(
  step: StepFile,
  kinds: StepKinds<Context>,
  included: Runbook<Context> | undefined,
): CelType {
  return included ? typeOfIncluded(included) : typeOfKind(step, kinds);
}

function typeOfKind<Context>(step: StepFile, kinds: StepKinds<Context>): CelType {
  const kind = kinds.get(step.uses ?? 'shell');
  const known = kind ? celTypeOf(kind.output, 'output') : noType;
  const declared = declaredOutputs.safeParse(step.outputs ?? step.with?.['outputs'] ?? {}).data ?? {};
  if (known.kind !== 'object') return known;
  const fields = Object.entries(declared).map(([name, each]): [string, CelField] => [
    name,
    required(typeOfOutput(each)),
  ]);
  return { kind: 'object', fields: { ...known.fields, ...Object.fromEntries(fields) } };
}

/** The outputs of its steps, by id; once the include succeeded, those that no condition can keep from running are there. */
function typeOfIncluded<Context>({ steps }: Runbook<Context>): CelType {
  const mayEnd = steps.some(({ finishWhen }) => finishWhen !== undefined);
  return object(steps.map(step => [step.id, mayEnd || mayLack(step) ? optional(step.output) : required(step.output)]));
}

function mayLack<Context>({ when, check, continueOnError, rescue, onUnknown }: Step<Context>): boolean {
  const isConditional = when !== undefined || check !== undefined || rescue.length > 0;
  return isConditional || continueOnError !== false || onUnknown === 'skip';
}

export const noType: CelType = { kind: 'dyn' };

function required(type: CelType): CelField {
  return { type, optional: false };
}

function optional(type: CelType): CelField {
  return { type, optional: true };
}

function object(fields: readonly (readonly [string, CelField])[]): CelType {
  return { kind: 'object', fields: Object.fromEntries(fields) };
}

function paramField(param: Param): CelField {
  return { type: paramType(param), optional: !param.required && param.default === undefined };
}

/** Type of `params.NAME`; durations are seconds, sizes bytes. */
export function paramType({ type, values }: Param): CelType {
  switch (type) {
    case 'integer':
    case 'size':
      return { kind: 'int' };
    case 'number':
    case 'duration':
      return { kind: 'double' };
    case 'boolean':
      return { kind: 'bool' };
    case 'list':
      return { kind: 'list', of: { kind: 'string' } };
    case 'enum':
      return { kind: 'string', ...(values && { values }) };
    case 'string':
    case 'path':
    case 'secret':
      return { kind: 'string' };
    default:
      return type satisfies never;
  }
}

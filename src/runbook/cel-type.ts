import { z } from 'zod';

/** What an expression may read: the type of a value, and which of its fields may be absent. */
export type CelType =
  | { readonly kind: 'string'; readonly values?: readonly string[] }
  | { readonly kind: 'int' | 'double' | 'bool' | 'dyn' | 'map' }
  | { readonly kind: 'list'; readonly of: CelType }
  | { readonly kind: 'object'; readonly fields: Readonly<Record<string, CelField>> };

export interface CelField {
  readonly type: CelType;
  /** May be absent; reading it then needs `has()`. */
  readonly optional: boolean;
}

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

/** The type of what a schema gives out (`output`) or takes in (`input`); `dyn` where CEL has no such type. */
export function celTypeOf(schema: z.ZodType, io: 'input' | 'output'): CelType {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the part of JSON Schema that is read here
  return fromJsonSchema(z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema);
}

function fromJsonSchema(schema: JsonSchema): CelType {
  switch (schema.type) {
    case 'string':
      return stringType(schema);
    case 'integer':
      return { kind: 'int' };
    case 'number':
      return { kind: 'double' };
    case 'boolean':
      return { kind: 'bool' };
    case 'array':
      return { kind: 'list', of: schema.items ? fromJsonSchema(schema.items) : { kind: 'dyn' } };
    case 'object':
      return schema.properties ? objectType(schema.properties, schema.required ?? []) : { kind: 'map' };
    default:
      return { kind: 'dyn' };
  }
}

function stringType(schema: JsonSchema): CelType {
  const values = schema.enum ?? ('const' in schema ? [schema.const] : undefined);
  return { kind: 'string', ...(values && { values: values.map(String) }) };
}

function objectType(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]): CelType {
  const fields = Object.entries(properties).map(
    ([name, schema]) => [name, { type: fromJsonSchema(schema), optional: !required.includes(name) }] as const,
  );
  return { kind: 'object', fields: Object.fromEntries(fields) };
}

/** How cel-js declares a type; nested objects as its schemas, objects inside lists as maps. */
export type CelDeclaration = string | { [field: string]: CelDeclaration };

export function declarationOf(type: CelType): CelDeclaration {
  switch (type.kind) {
    case 'object':
      return Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, declarationOf(field.type)]));
    case 'list': {
      const of = declarationOf(type.of);
      return `list<${typeof of === 'string' ? of : 'map'}>`;
    }
    case 'string':
    case 'int':
    case 'double':
    case 'bool':
    case 'dyn':
    case 'map':
      return type.kind;
    default:
      return type satisfies never;
  }
}

/** The value as CEL computes with it: integers are BigInt there, save where the type says double; no undefined. */
export function toCel(value: unknown, type: CelType = { kind: 'dyn' }): unknown {
  if (typeof value === 'number') return type.kind !== 'double' && Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(each => toCel(each, type.kind === 'list' ? type.of : undefined));
  if (typeof value !== 'object' || value === null) return value;
  const present = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(
    present.map(([name, each]) => [name, toCel(each, type.kind === 'object' ? type.fields[name]?.type : undefined)]),
  );
}

/** The JSON value of what CEL computed; never a BigInt. @throws RangeError for an integer that JSON cannot hold. */
export function fromCel(value: unknown): unknown {
  if (typeof value === 'bigint') return fromInteger(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Map) return fromCel(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(fromCel);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, fromCel(each)]));
  return value;
}

function fromInteger(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER))
    throw new RangeError(`${value} is beyond ±2^53, which JSON cannot hold exactly`);
  return Number(value);
}

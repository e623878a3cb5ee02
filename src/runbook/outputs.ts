import { z } from 'zod';
import type { CelType } from './cel-type.ts';

/** How a declared output is had from what a command printed, or left on its machine. */
export const declaredOutput = z.union([
  z.enum(['text', 'json']).describe('stdout, trimmed; stdout as JSON'),
  z
    .strictObject({
      regex: z.string().refine(isPattern, 'not a regular expression'),
      type: z.enum(['string', 'integer', 'number']).optional(),
    })
    .describe('first group of the first match in stdout'),
  z.strictObject({ file: z.string().startsWith('/', 'a file output is an absolute path') }).describe('a file, fetched'),
]);
export type DeclaredOutput = z.infer<typeof declaredOutput>;

/** `outputs` of a step: name → how it is had. */
export const declaredOutputs = z.record(
  z.string().regex(/^[a-z][a-zA-Z0-9]*$/, 'an output name is camelCase'),
  declaredOutput,
);
export type DeclaredOutputs = z.infer<typeof declaredOutputs>;

/** What `steps.ID.NAME` is. */
export function typeOfOutput(declared: DeclaredOutput): CelType {
  if (declared === 'text') return { kind: 'string' };
  if (declared === 'json') return { kind: 'dyn' };
  if ('regex' in declared) return { kind: regexTypes[declared.type ?? 'string'] };
  return fileType;
}

const regexTypes = { string: 'string', integer: 'int', number: 'double' } as const;

const fileType: CelType = {
  kind: 'object',
  fields: {
    path: { type: { kind: 'string' }, optional: false },
    bytes: { type: { kind: 'int' }, optional: false },
    sha256: { type: { kind: 'string' }, optional: false },
  },
};

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u').source !== '';
  } catch {
    return false;
  }
}

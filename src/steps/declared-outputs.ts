import { HangarError, messageOf } from '../errors.ts';
import { isIdentifier } from '../runbook/names.ts';
import { type DeclaredOutput, type DeclaredOutputs, declaredOutputs } from '../runbook/outputs.ts';
import type { FetchedFile } from './fetch-file.ts';

/** What `steps.ID` of a command holds whatever is declared. */
const givenOutputs = ['exitCode', 'stdout', 'stderr', 'truncated'];

/** `outputs` of a step that runs a command: what becomes of what it printed. */
export const outputsSchema = declaredOutputs.refine(
  outputs => Object.keys(outputs).every(name => isIdentifier(name) && !givenOutputs.includes(name)),
  `an output name is no word of CEL, and none of ${givenOutputs.join(', ')}`,
);

export interface Printed {
  readonly stdout: string;
  /** A command that failed need not give what it declares: what cannot be had is then left out. */
  readonly lenient: boolean;
  readonly fetch: (path: string) => Promise<FetchedFile>;
}

/** The declared outputs by name. @throws HangarError `OUTPUT_MISSING`, `OUTPUT_INVALID`, or as `fetch` */
export async function extractOutputs(
  declared: DeclaredOutputs,
  printed: Printed,
): Promise<Readonly<Record<string, unknown>>> {
  const outputs: Record<string, unknown> = {};
  for (const [key, what] of Object.entries(declared)) {
    try {
      outputs[key] = await extract(key, what, printed);
    } catch (error) {
      if (!printed.lenient || !isAbout(error)) throw error;
    }
  }
  return outputs;
}

/** Whether it is the output that is at fault, not the way to it. */
function isAbout(error: unknown): boolean {
  return error instanceof HangarError && error.failure === 'step';
}

async function extract(key: string, what: DeclaredOutput, { stdout, fetch }: Printed): Promise<unknown> {
  if (what === 'text') return stdout.trim();
  if (what === 'json') return parseJson(key, stdout);
  if ('file' in what) return fetch(what.file);
  // Its first group, or all of it where it has none; ^ and $ are those of a line.
  const match = new RegExp(what.regex, 'mu').exec(stdout);
  const found = match?.[1] ?? match?.[0];
  if (found === undefined) throw missing(key, what.regex);
  return what.type === undefined || what.type === 'string' ? found : parseNumber(key, found, what.type);
}

function parseJson(key: string, stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch (cause) {
    throw invalid(key, `expected JSON on stdout: ${messageOf(cause)}`, cause);
  }
}

function parseNumber(key: string, text: string, type: 'integer' | 'number'): number {
  const value = Number(text);
  const isRight = text.trim() !== '' && (type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value));
  if (!isRight) throw invalid(key, `expected ${type}, found ${JSON.stringify(text)}`);
  return value;
}

function missing(key: string, pattern: string): HangarError {
  return new HangarError({
    code: 'OUTPUT_MISSING',
    message: `output "${key}": nothing on stdout matches "${pattern}"`,
    fix: 'see what the command prints, and mend `outputs` of the step',
    failure: 'step',
  });
}

function invalid(key: string, why: string, cause?: unknown): HangarError {
  return new HangarError({
    code: 'OUTPUT_INVALID',
    message: `output "${key}": ${why}`,
    fix: 'see what the command prints, and mend `outputs` of the step',
    failure: 'step',
    cause,
  });
}

import { z } from 'zod';

const error = z.looseObject({ code: z.string(), message: z.string() });
const step = z.looseObject({ error: error.exactOptional() });
const host = z.looseObject({
  name: z.string().exactOptional(),
  error: error.exactOptional(),
  steps: z.array(step).exactOptional(),
});
const resultSchema = z.looseObject({
  run: z.string().exactOptional(),
  error: error.exactOptional(),
  hosts: z.array(host).exactOptional(),
});

export interface RunResult {
  /** Id of the run, where it kept one. */
  readonly run?: string;
  /** What went wrong first, in one line. */
  readonly problem?: string;
}

/** What the one JSON document that a run prints says of it, or else the last line that it printed on stderr. */
export function readResult(stdout: string, stderr: string): RunResult {
  const parsed = resultSchema.safeParse(parseJson(stdout));
  if (!parsed.success) return problemOf(lastLine(stderr));
  const { run, error: whole, hosts = [] } = parsed.data;
  const [problem] = [
    ...(whole ? [textOf(whole)] : []),
    ...hosts.flatMap(({ name, error: own, steps = [] }) => {
      const first = own ?? steps.find(each => each.error !== undefined)?.error;
      return first === undefined ? [] : [`${name === undefined ? '' : `${name}: `}${textOf(first)}`];
    }),
  ];
  return { ...(run !== undefined && { run }), ...problemOf(problem) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf({ code, message }: z.infer<typeof error>): string {
  return `${code}: ${message.split('\n')[0]}`;
}

function lastLine(text: string): string | undefined {
  return text.trim().split('\n').at(-1)?.trim() || undefined;
}

function problemOf(problem: string | undefined): RunResult {
  return problem === undefined ? {} : { problem };
}

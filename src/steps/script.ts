import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import type { Incident } from './incident.ts';
import {
  commandFailure,
  probeWorkStep,
  runWorkStep,
  type WorkOutput,
  type WorkRequest,
  workCommands,
  workInput,
  workOutput,
} from './work-step.ts';

const input = z.strictObject({
  path: z.string().min(1).describe('a script of the controller, relative to the working directory unless absolute'),
  args: z.array(z.string()).optional(),
  interpreter: z.string().regex(/\S/).optional().describe('what runs it there, with options; default: sh'),
  ...workInput,
});

type Input = z.infer<typeof input>;

/** A script file of the controller, run as `shell` runs text. */
export const scriptStep: StepKind<Incident, Input, WorkOutput> = {
  name: 'script',
  summary: 'runs a script file of the controller, on the host or on the controller',
  risk: 'write',
  input,
  output: workOutput,
  commands(asked, incident, where) {
    const { path = '<path>', interpreter = 'sh' } = asked;
    // The file is named, not printed: it may be long, and written only by a step before.
    const [line = interpreter, ...variables] = workCommands(
      { ...requestOf(asked, ''), interpreter: `${interpreter} ${path}` },
      incident,
      where,
    );
    return [line, ...variables.filter(text => text !== '')];
  },
  run: async (asked, incident, runtime) =>
    runWorkStep(requestOf(asked, await readScript(asked.path)), incident, runtime),
  failure: (output, _asked, incident) => commandFailure(output, incident),
  probe: async (asked, incident, runtime) =>
    probeWorkStep(requestOf(asked, await readScript(asked.path)), incident, runtime),
};

function requestOf(
  { args = [], interpreter, become = false, env, outputs }: Partial<Input>,
  script: string,
): WorkRequest {
  return { script, args, become, env, outputs, ...(interpreter !== undefined && { interpreter }) };
}

/** @throws HangarError `FILE_UNREADABLE` */
async function readScript(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(resolve(path)));
  } catch (cause) {
    throw new HangarError({
      code: 'FILE_UNREADABLE',
      message: `the script "${path}" cannot be read as text`,
      fix: 'name a text file of this machine, relative to the working directory or absolute',
      failure: 'usage',
      cause,
    });
  }
}

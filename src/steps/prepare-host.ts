import { z } from 'zod';
import { askFacts } from '../compliance/ask-facts.ts';
import { factsRequest } from '../compliance/facts-request.ts';
import { accessFix } from '../compliance/situation.ts';
import { HangarError } from '../errors.ts';
import { type HostProfile, resolveProfile } from '../fleet/host-profile.ts';
import { prepareScript } from '../prepare/prepare-script.ts';
import { readPrepared } from '../prepare/prepared.ts';
import { removeScript } from '../prepare/remove-script.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import { asRoot } from '../ssh/as-root.ts';
import type { Incident } from './incident.ts';
import { runWorkStep, type WorkOutput } from './work-step.ts';

const input = z.strictObject({
  only: z.array(z.string()).optional().describe('ids of what is prepared, as `package:gdb`; default: all'),
  remove: z.boolean().default(false).describe('takes back what preparing had added'),
});
const change = z.looseObject({ id: z.string(), text: z.string() });
/** What a preparation did. */
export const preparedSchema = z.looseObject({
  changed: z.array(change).describe('what was done'),
  failed: z.array(change).describe('what could not be done, and why'),
  kept: z.array(change).describe('what was not taken back, and why'),
});

type Input = z.infer<typeof input>;
type Output = z.infer<typeof preparedSchema>;

/** Gives a host what its profile says; what it has already is left alone, and nothing is ever done halfway in silence. */
export const prepareHostStep: StepKind<Incident, Input, Output> = {
  name: 'prepare-host',
  summary: 'gives a host what its profile says, or takes it back',
  risk: 'write',
  input,
  output: preparedSchema,
  commands: ({ only, remove = false }, { host, profile }) => {
    const what = remove ? 'takes back what preparing had added' : `prepares the profile "${profile.name}"`;
    const part = only === undefined ? '' : `: ${only.join(', ')}`;
    return [`${asRoot(host, { line: 'sh -eu -s' }).line} <<'EOF' # ${what}${part}`];
  },
  async run(asked, incident, runtime) {
    const { signal } = runtime;
    const { host } = incident;
    const request = factsRequest(incident.profile, host.services);
    const facts = await incident.withSession(session => askFacts(session, request, { signal }), signal);
    const script = scriptOf(asked, resolveProfile(incident.profile, facts, host));
    try {
      return prepared(await runWorkStep({ script, become: true }, incident, runtime), incident);
    } catch (error) {
      throw isRefusal(error) ? withoutRoot(error, accessFix({ host, facts }, asked.remove ? ' --remove' : '')) : error;
    }
  },
  /** The script looks at all again, and under the old key it is joined where it still runs. */
  probe: async () => ({ state: 'notDone' }),
  failure: ({ failed }, _asked, { host }) => {
    const [first, ...others] = failed;
    if (first === undefined) return undefined;
    const more = others.length === 0 ? '' : ` (and ${others.length} more: ${others.map(({ id }) => id).join(', ')})`;
    return new HangarError({
      code: 'PREPARE_FAILED',
      message: `"${host.name}": ${first.id}: ${first.text}${more}`,
      fix: `mend that, then again: runbook prepare --host ${host.name} --only ${first.id}`,
      failure: 'step',
    });
  },
};

function scriptOf({ only, remove }: Input, profile: HostProfile): string {
  return remove ? removeScript(profile) : prepareScript(profile, only === undefined ? {} : { only });
}

function isRefusal(error: unknown): error is HangarError {
  return error instanceof HangarError && error.code === 'SUDO_REFUSED';
}

/** The sudo rule that a preparation leaves is for the host program alone. */
function withoutRoot({ code, message, failure }: HangarError, fix: string): HangarError {
  return new HangarError({ code, message, fix, failure });
}

function prepared({ stdout, stderr, exitCode }: WorkOutput, { host }: Incident): Output {
  const { changed, failed, kept, isDone } = readPrepared(stdout);
  if (isDone) return preparedSchema.parse({ changed, failed, kept });
  throw new HangarError({
    code: 'PREPARE_BROKE_OFF',
    message: `"${host.name}": the preparation ended with ${exitCode} before it was through: ${stderr.trim().split('\n').at(-1)}`,
    fix: `what was done stays; go on: runbook prepare --host ${host.name}`,
    failure: 'step',
  });
}

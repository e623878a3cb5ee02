import { z } from 'zod';
import { type FindOptions, type FoundProcess, findProcess, findProcessCommands } from '../capture/find-process.ts';
import { HangarError } from '../errors.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { foundSchema, records } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  service: z.string().optional().describe("service to look at; default: the host's only one"),
  pid: z.int().min(2).optional().describe('process to look at, instead of finding it'),
  whenUnsure: z
    .enum(['ask', 'stop'])
    .default('ask')
    .describe(
      '`ask`: a question at the terminal; without one, and with `stop`, the run ends with the command that insists',
    ),
});

const output = foundSchema.extend({ service: z.string().optional() });

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Which process of the service hangs, if any; the choice and its reasons are kept in the case. */
export const findProcessStep: StepKind<Incident, Input, Output> = {
  name: 'find-process',
  summary: 'watches the Python processes of a service and says which one hangs',
  risk: 'read',
  input,
  output,
  commands: (asked, { host }) => findProcessCommands(host, optionsOf(asked)),
  async run(asked, incident, runtime) {
    const { signal } = runtime;
    const found = await incident.withSession(session => findProcess(session, optionsOf(asked), { signal }), signal);
    if (found.state === 'unsure' && asked.pid === undefined) await insist(found, asked, incident, runtime);
    const { service, ...rest } = found;
    const { candidates, reasons } = { candidates: found.candidates.map(plain), reasons: [...found.reasons] };
    // A healthy service leaves no trace, unless somebody insisted on the process.
    if (found.state !== 'healthy' || asked.pid !== undefined)
      await (await incident.case()).writeRecord(records.found, foundSchema.parse({ ...found, candidates, reasons }));
    return { ...rest, candidates, reasons, ...(service && { service: service.name }) };
  },
};

function optionsOf({ service, pid }: Partial<Input>): FindOptions {
  return { ...(service !== undefined && { service }), ...(pid !== undefined && { pid }) };
}

function plain({ pid, state, reasons, chosen }: FoundProcess['candidates'][number]): Output['candidates'][number] {
  return { pid, state, reasons: [...reasons], chosen };
}

/** Never acts by itself: asks the person at the terminal, or ends. @throws HangarError `UNSURE` */
async function insist(
  { pid, reasons }: FoundProcess,
  { whenUnsure }: Input,
  { host }: Incident,
  runtime: StepRuntime,
): Promise<void> {
  const why = reasons.join('; ');
  if (
    whenUnsure === 'ask' &&
    (await runtime.ask(`${host.name}: process ${pid} may hang, or not: ${why}. Go on with it?`))
  )
    return;
  throw new HangarError({
    code: 'UNSURE',
    message: `${host.name}: process ${pid} may hang, or not: ${why}`,
    fix: `if you know that it hangs: runbook hang --host ${host.name} --pid ${pid}`,
    failure: 'step',
  });
}

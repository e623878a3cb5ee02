import { z } from 'zod';
import { type RecoverOptions, recoverService, recoverServiceCommands } from '../capture/recover-service.ts';
import { HangarError, messageOf } from '../errors.ts';
import type { StepKind } from '../runbook/step-kind.ts';
import { type RecoveryRecord, records, recoverySchema } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  service: z.string().optional().describe('default: the service that was looked at'),
  mode: z.enum(['service', 'worker', 'none']).default('service').describe('what is restarted; none: nothing'),
  limitSeconds: z.int().min(1).optional().describe('until it answers again; default 90'),
});
const output = recoverySchema;

type Input = z.infer<typeof input>;

/** Brings the service back; the case says how long it was down, or why it still is. */
export const recoverServiceStep: StepKind<Incident, Input, RecoveryRecord> = {
  name: 'recover-service',
  summary: 'restarts the service, or its hung worker, and waits until it answers',
  risk: 'disruptive',
  input,
  output,
  commands({ service: name, mode = 'service', ...rest }, { host }) {
    if (mode === 'none') return [];
    const service = name === undefined ? undefined : (host.services.find(each => each.name === name) ?? { name });
    return recoverServiceCommands(host, { mode, ...(service && { service }), ...limitOf(rest) });
  },
  async run(asked, incident, { signal }) {
    const folder = await incident.case();
    const options = await optionsOf(asked, incident);
    try {
      const recovered = await incident.withSession(session => recoverService(session, options, { signal }), signal);
      const record = recoverySchema.parse(recovered);
      await folder.writeRecord(records.recovery, record);
      return record;
    } catch (error) {
      await folder.writeRecord(records.recovery, failed(options, error));
      throw error;
    }
  },
};

async function optionsOf(asked: Input, incident: Incident): Promise<RecoverOptions> {
  const found = await incident.found();
  const named = incident.host.services.find(({ name }) => name === asked.service);
  const service = named ?? (asked.service === undefined ? found?.service : { name: asked.service });
  return {
    mode: asked.mode === 'worker' ? 'worker' : 'service',
    ...(service && { service }),
    ...(found && { process: { pid: found.pid, startTicks: found.startTicks } }),
    ...limitOf(asked),
  };
}

function limitOf({ limitSeconds }: Partial<Input>): Pick<RecoverOptions, 'limitSeconds'> {
  return limitSeconds === undefined ? {} : { limitSeconds };
}

function failed({ mode, service }: RecoverOptions, error: unknown): RecoveryRecord {
  const fix = error instanceof HangarError ? { fix: error.fix } : {};
  return { mode, service: service?.name ?? '', succeeded: false, why: messageOf(error), ...fix };
}

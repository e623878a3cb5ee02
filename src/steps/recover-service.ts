import { z } from 'zod';
import {
  earlierRecovery,
  type RecoveredService,
  type RecoverOptions,
  recoverService,
  recoverServiceCommands,
} from '../capture/recover-service.ts';
import { removeRecoveryMark } from '../capture/remove-remote-files.ts';
import type { CaseFolder } from '../case/case-folder.ts';
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
  async run(asked, incident, { signal, key }) {
    const folder = await incident.case();
    const options = { ...(await optionsOf(asked, incident)), key };
    await forgetFormer(folder, key, incident, signal);
    try {
      const recovered = await incident.withSession(session => recoverService(session, options, { signal }), signal);
      return await keep(recovered, key, folder);
    } catch (error) {
      await folder.writeRecord(records.recovery, failed(options, error));
      throw error;
    }
  },
  async probe(asked, incident, { signal, key }) {
    const options = await optionsOf(asked, incident);
    const recovered = await incident.withSession(session => earlierRecovery(session, key, options, { signal }), signal);
    if (recovered === undefined) return { state: 'notDone' };
    return { state: 'done', output: await keep(recovered, key, await incident.case()) };
  },
};

/** The record names one mark on the host: that of an earlier attempt goes before this one's. */
async function forgetFormer(folder: CaseFolder, key: string, incident: Incident, signal: AbortSignal): Promise<void> {
  const former = (await folder.readRecord(records.recovery, recoverySchema))?.key;
  if (former === undefined || former === key) return;
  await incident.withSession(session => removeRecoveryMark(session, former, { signal }), signal);
}

async function keep(recovered: RecoveredService, key: string, folder: CaseFolder): Promise<RecoveryRecord> {
  const record = recoverySchema.parse({ ...recovered, key });
  await folder.writeRecord(records.recovery, record);
  return record;
}

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

function failed({ mode, service, key }: RecoverOptions & { readonly key: string }, error: unknown): RecoveryRecord {
  const fix = error instanceof HangarError ? { fix: error.fix } : {};
  return { mode, service: service?.name ?? '', succeeded: false, key, why: messageOf(error), ...fix };
}

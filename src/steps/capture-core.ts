import { z } from 'zod';
import { type CapturedCore, captureCore, captureCoreCommands, earlierCapture } from '../capture/capture-core.ts';
import type { ProcessId } from '../capture/process-id.ts';
import { pullModules, pullModulesCommands } from '../capture/pull-modules.ts';
import { recoverService } from '../capture/recover-service.ts';
import { openModuleStore } from '../case/module-store.ts';
import { HangarError, messageOf } from '../errors.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { captureSchema, modulesSchema, records } from './case-records.ts';
import type { Incident } from './incident.ts';

const input = z.strictObject({
  pid: z.int().min(2).describe('process to take the core of'),
  limitSeconds: z.int().min(1).optional().describe('wall time of gdb on the host; default 240'),
  directory: z.string().optional().describe('on the host; default /var/tmp/hangar'),
});
const output = captureSchema.extend({
  modulesSent: z.int().describe('files that the module store did not have yet'),
  modulesSentBytes: z.number(),
});

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** A complete core in a private directory of the host, and the ELF files that the process runs, secured while it lives. */
export const captureCoreStep: StepKind<Incident, Input, Output> = {
  name: 'capture-core',
  summary: 'takes a core with gcore, and the ELF files that run',
  risk: 'write',
  input,
  output,
  commands: (asked, { host }) => [...captureCoreCommands(host, given(asked)), ...pullModulesCommands(host, asked.pid)],
  async run(asked, incident, runtime) {
    const process = await incident.processOf(asked.pid);
    return secure(await capture(asked, process, incident, runtime), process, incident, runtime);
  },
  async probe(asked, incident, runtime) {
    const { signal, key } = runtime;
    const captured = await incident.withSession(
      session => earlierCapture(session, { ...given(asked), key }, { signal }),
      signal,
    );
    if (captured === undefined) return { state: 'notDone' };
    return { state: 'done', output: await secure(captured, { pid: asked.pid }, incident, runtime) };
  },
};

async function capture(
  asked: Input,
  process: ProcessId,
  incident: Incident,
  runtime: StepRuntime,
): Promise<CapturedCore> {
  const { signal, key } = runtime;
  try {
    return await incident.withSession(
      session => captureCore(session, { ...given(asked), ...process, key }, { signal }),
      signal,
    );
  } catch (error) {
    await keepFailure(error, incident, runtime);
    await offerRecovery(error, process, incident, runtime);
    throw error;
  }
}

/** For who reads the case: why it has no core. */
async function keepFailure(error: unknown, incident: Incident, { signal }: StepRuntime): Promise<void> {
  if (signal.aborted || !(error instanceof HangarError) || error.failure !== 'step') return;
  const { code, message, fix } = error;
  await (await incident.case()).writeRecord(records.captureFailure, { code, message, fix });
}

/** Puts into the case what belongs to a complete core; the process may be another one since. */
async function secure(
  captured: CapturedCore,
  { pid }: Pick<ProcessId, 'pid'>,
  incident: Incident,
  runtime: StepRuntime,
): Promise<Output> {
  const folder = await incident.case();
  await folder.writeRecord(records.capture, captureSchema.parse(captured));
  runtime.progress(`core of ${mebibytes(captured.coreBytes)} complete; securing the files that run`);
  const modules = await secureModules({ pid, startTicks: captured.startTicks }, incident, runtime);
  await folder.writeRecord(records.modules, modules);
  return { ...captured, modulesSent: modules.sent, modulesSentBytes: modules.sentBytes };
}

/** The core is there: a module that cannot be had is a gap of the report, never a reason to leave the service down. */
async function secureModules(
  process: ProcessId,
  incident: Incident,
  { signal }: StepRuntime,
): Promise<z.infer<typeof modulesSchema>> {
  try {
    const store = openModuleStore(incident.state);
    return modulesSchema.parse(
      await incident.withSession(session => pullModules(session, process, store, { signal }), signal),
    );
  } catch (error) {
    if (signal.aborted) throw error;
    // An earlier start of this step may have had them.
    const earlier = await (await incident.case()).readRecord(records.modules, modulesSchema);
    if (earlier !== undefined) return earlier;
    const fix = error instanceof HangarError ? { fix: error.fix } : {};
    return { modules: [], sent: 0, sentBytes: 0, gaps: [{ what: 'module files', why: messageOf(error), ...fix }] };
  }
}

/** Ctrl-C in the middle of a capture leaves a service that hangs: whoever pressed it may want it back at once. */
async function offerRecovery(
  error: unknown,
  process: ProcessId,
  incident: Incident,
  runtime: StepRuntime,
): Promise<void> {
  const wasCancelled = runtime.signal.aborted && error instanceof HangarError && error.code === 'CANCELLED';
  const service = (await incident.found())?.service;
  if (!wasCancelled || service === undefined) return;
  if (!(await runtime.ask(`${incident.host.name}: the capture was cancelled. Restart ${service.name} now?`))) return;
  const { downSeconds } = await incident.withSession(session =>
    recoverService(session, { mode: 'service', service, process }),
  );
  runtime.progress(`${service.name} was restarted${downSeconds === undefined ? '' : ` in ${downSeconds} s`}`);
}

function given({ limitSeconds, directory, pid }: Partial<Input>) {
  return {
    ...(pid !== undefined && { pid }),
    ...(limitSeconds !== undefined && { limitSeconds }),
    ...(directory !== undefined && { directory }),
  };
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

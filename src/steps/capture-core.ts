import { z } from 'zod';
import { captureCore, captureCoreCommands } from '../capture/capture-core.ts';
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

/** A complete core in a private directory of the host, and the ELF files that the process runs, secured while it lives. */
export const captureCoreStep: StepKind<Incident, Input, z.infer<typeof output>> = {
  name: 'capture-core',
  summary: 'takes a core with gcore, and the ELF files that run',
  risk: 'write',
  input,
  output,
  commands: (asked, { host }) => [...captureCoreCommands(host, given(asked)), ...pullModulesCommands(host, asked.pid)],
  async run(asked, incident, runtime) {
    const process = await incident.processOf(asked.pid);
    const folder = await incident.case();
    const captured = await capture(asked, process, incident, runtime);
    await folder.writeRecord(records.capture, captureSchema.parse(captured));
    runtime.progress(`core of ${mebibytes(captured.coreBytes)} complete; securing the files that run`);
    const modules = await secureModules(process, incident, runtime);
    await folder.writeRecord(records.modules, modules);
    return { ...captured, modulesSent: modules.sent, modulesSentBytes: modules.sentBytes };
  },
};

async function capture(asked: Input, process: ProcessId, incident: Incident, runtime: StepRuntime) {
  const { signal } = runtime;
  try {
    return await incident.withSession(
      session => captureCore(session, { ...given(asked), ...process }, { signal }),
      signal,
    );
  } catch (error) {
    await offerRecovery(error, process, incident, runtime);
    throw error;
  }
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
  runtime.progress(`${service.name} was restarted in ${downSeconds} s`);
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

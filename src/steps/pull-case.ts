import { z } from 'zod';
import { namedSources } from '../analyze.ts';
import { frameBytes, pullCore, pullCoreCommands } from '../capture/pull-core.ts';
import { type PulledSource, pullSources, pullSourcesCommands } from '../capture/pull-sources.ts';
import type { CaseFolder } from '../case/case-folder.ts';
import { openSourceStore } from '../case/source-store.ts';
import { HangarError, messageOf } from '../errors.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { captureSchema, records } from './case-records.ts';
import type { Incident } from './incident.ts';
import { storedModules } from './stored-modules.ts';

const input = z.strictObject({});
const output = z.object({
  case: z.string().describe('id of the case'),
  coreBytes: z.number().describe('apparent size of the core'),
  storedBytes: z.number().describe('of core.zst'),
  sentBytes: z.number().describe('over the network for the core; less than stored when a transfer went on'),
  sources: z.int().describe('source files that frames name and that were had'),
});

/** The core and the sources that its frames name, verified, into the case. */
export const pullCaseStep: StepKind<Incident, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'pull-case',
  summary: 'fetches the core in verified pieces, and the sources that its frames name',
  risk: 'read',
  input,
  output,
  commands: (_asked, { host }) => [...pullCoreCommands(host), ...pullSourcesCommands(host)],
  async run(_asked, incident, runtime) {
    const folder = await incident.case();
    const sentBytes = await pullOnce(folder, incident, runtime);
    const sources = await secureSources(folder, incident, runtime);
    await folder.writeRecord(records.sources, sources);
    const { coreBytes = 0, storedBytes = 0 } = folder.core ?? {};
    const had = sources.filter(({ sha256 }) => sha256 !== undefined).length;
    return { case: folder.id, coreBytes, storedBytes, sentBytes, sources: had };
  },
};

/** Bytes that were sent; a core that is here whole is not fetched again. */
async function pullOnce(folder: CaseFolder, incident: Incident, { signal, progress }: StepRuntime): Promise<number> {
  if (folder.core?.complete === true) return 0;
  const capture = await folder.readRecord(records.capture, captureSchema);
  if (capture === undefined) throw noCore(incident);
  const writer = await folder.beginCore({ coreBytes: capture.coreBytes, frameBytes });
  const { sentBytes } = await incident.withSession(
    session =>
      pullCore(session, capture, writer, {
        signal,
        progress: (here, all) => progress(`${here} of ${all} pieces of the core are here`),
      }),
    signal,
  );
  return sentBytes;
}

/** The core is safe by now: without sources the report names lines and shows no text. */
async function secureSources(
  folder: CaseFolder,
  incident: Incident,
  { signal }: StepRuntime,
): Promise<readonly PulledSource[]> {
  const paths = await namedSources(folder.corePath, {
    findFiles: modules => storedModules(incident.state, modules),
    signal,
  });
  const found = await incident.found();
  const process = found && { pid: found.pid, startTicks: found.startTicks };
  const store = openSourceStore(incident.state);
  try {
    return await incident.withSession(
      session => pullSources(session, { paths, ...(process && { process }) }, store, { signal }),
      signal,
    );
  } catch (error) {
    if (signal.aborted || (error instanceof HangarError && error.failure === 'unreachable')) throw error;
    return paths.map(path => ({ path, why: messageOf(error) }));
  }
}

function noCore({ host }: Incident): HangarError {
  return new HangarError({
    code: 'NO_CORE_ON_HOST',
    message: `no core of "${host.name}" was taken in this run`,
    fix: `take one: runbook capture --host ${host.name}`,
    failure: 'step',
  });
}

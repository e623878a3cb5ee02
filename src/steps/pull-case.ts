import { z } from 'zod';
import { type NamedFiles, namedFiles } from '../analyze.ts';
import type { ProcessId } from '../capture/process-id.ts';
import { frameBytes, pullCore, pullCoreCommands } from '../capture/pull-core.ts';
import { type PulledDebugFiles, pullDebugFiles, pullDebugFilesCommands } from '../capture/pull-debug-files.ts';
import { type PulledSource, pullSources, pullSourcesCommands } from '../capture/pull-sources.ts';
import type { CaseFolder } from '../case/case-folder.ts';
import { openModuleStore } from '../case/module-store.ts';
import { openSourceStore } from '../case/source-store.ts';
import { HangarError, messageOf } from '../errors.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { captureSchema, records } from './case-records.ts';
import type { Incident } from './incident.ts';
import { storedModules } from './stored-modules.ts';

/** The debug files of glibc, an interpreter and a web server take 10 to 30 MB. */
const defaultDebugBytes = 128 * 1024 * 1024;

const input = z.strictObject({
  debugBytes: z
    .int()
    .min(0)
    .default(defaultDebugBytes)
    .describe('most that is fetched of the debug files that the host has; 0: none of them'),
});
const output = z.object({
  case: z.string().describe('id of the case'),
  coreBytes: z.number().describe('apparent size of the core'),
  storedBytes: z.number().describe('of core.zst'),
  sentBytes: z.number().describe('over the network for the core; less than stored when a transfer went on'),
  sources: z.int().describe('source files that frames name and that were had'),
  debugFiles: z
    .int()
    .describe('debug files that the module store did not have yet, of modules that stacks lead through'),
  debugSentBytes: z.number().describe('over the network for these'),
});

/** The core, the sources that its frames name, and the symbols that the host has, verified, into the case. */
export const pullCaseStep: StepKind<Incident, z.infer<typeof input>, z.infer<typeof output>> = {
  name: 'pull-case',
  summary: 'fetches the core in verified pieces, the sources that its frames name, and their debug symbols',
  risk: 'read',
  input,
  output,
  commands: ({ debugBytes = defaultDebugBytes }, { host }) => [
    ...pullCoreCommands(host),
    ...pullSourcesCommands(host),
    ...(debugBytes === 0 ? [] : pullDebugFilesCommands(host, debugBytes)),
  ],
  async run({ debugBytes }, incident, runtime) {
    const folder = await incident.case();
    const sentBytes = await pullOnce(folder, incident, runtime);
    const named = await namedFiles(folder.corePath, {
      findFiles: modules => storedModules(incident.state, modules),
      signal: runtime.signal,
    });
    const sources = await secureSources(named, incident, runtime);
    await folder.writeRecord(records.sources, sources);
    const debugFiles = await secureDebugFiles(named, debugBytes, incident, runtime);
    await folder.writeRecord(records.debugFiles, debugFiles);
    const { coreBytes = 0, storedBytes = 0 } = folder.core ?? {};
    const had = sources.filter(({ sha256 }) => sha256 !== undefined).length;
    return {
      case: folder.id,
      coreBytes,
      storedBytes,
      sentBytes,
      sources: had,
      debugFiles: debugFiles.files.filter(({ bytes }) => bytes !== undefined).length,
      debugSentBytes: debugFiles.sentBytes,
    };
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
  { sources: paths }: NamedFiles,
  incident: Incident,
  { signal }: StepRuntime,
): Promise<readonly PulledSource[]> {
  const process = await processOf(incident);
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

/** Without them the report names C functions as far as the modules themselves do. */
async function secureDebugFiles(
  { modules }: NamedFiles,
  maxBytes: number,
  incident: Incident,
  { signal, progress }: StepRuntime,
): Promise<PulledDebugFiles> {
  if (maxBytes === 0) return { files: [], sentBytes: 0 };
  const process = await processOf(incident);
  const store = openModuleStore(incident.state);
  try {
    const pulled = await incident.withSession(
      session => pullDebugFiles(session, { modules, maxBytes, ...(process && { process }) }, store, { signal }),
      signal,
    );
    const had = pulled.files.filter(({ bytes }) => bytes !== undefined);
    if (had.length > 0) progress(`${had.length} debug files are here, sent as ${megabytes(pulled.sentBytes)}`);
    return pulled;
  } catch (error) {
    if (signal.aborted || (error instanceof HangarError && error.failure === 'unreachable')) throw error;
    return { files: [{ buildId: '', path: incident.host.name, why: messageOf(error) }], sentBytes: 0 };
  }
}

async function processOf(incident: Incident): Promise<ProcessId | undefined> {
  const found = await incident.found();
  return found && { pid: found.pid, startTicks: found.startTicks };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function noCore({ host }: Incident): HangarError {
  return new HangarError({
    code: 'NO_CORE_ON_HOST',
    message: `no core of "${host.name}" was taken in this run`,
    fix: `take one: runbook capture --host ${host.name}`,
    failure: 'step',
  });
}

import { z } from 'zod';
import type { CorelessSubject, Subject } from '../analyze.ts';
import type { CaseFolder } from '../case/case-folder.ts';
import { openSourceStore } from '../case/source-store.ts';
import { HangarError } from '../errors.ts';
import type { ProcessEvidence } from '../host/evidence.ts';
import { readEvidence } from '../host/read-evidence.ts';
import { type Report, reportSchema } from '../report/schema.ts';
import { fetchedSources } from './source-lookup.ts';

/** What `find-process` saw: why this process. */
export const foundSchema = z.object({
  state: z.enum(['hung', 'unsure', 'healthy']),
  pid: z.int(),
  startTicks: z.number(),
  startedAt: z.string(),
  command: z.string(),
  service: z
    .object({
      name: z.string(),
      check: z.string().exactOptional(),
      match: z.string().exactOptional(),
      restart: z.string().exactOptional(),
    })
    .exactOptional(),
  reasons: z.array(z.string()),
  candidates: z.array(
    z.object({
      pid: z.int(),
      state: z.enum(['hung', 'unsure', 'healthy']),
      reasons: z.array(z.string()),
      chosen: z.boolean(),
    }),
  ),
  how: z.string(),
});
export type FoundRecord = z.infer<typeof foundSchema>;

/** A complete core on the host, as `capture-core` left it. */
export const captureSchema = z.object({
  method: z.literal('gcore'),
  remotePath: z.string(),
  directory: z.string(),
  coreBytes: z.number(),
  diskBytes: z.number().exactOptional(),
  stoppedSeconds: z.number().exactOptional(),
  at: z.string(),
  gdbVersion: z.string().exactOptional(),
});
export type CaptureRecord = z.infer<typeof captureSchema>;

/** Why no core could be taken. */
export const captureFailureSchema = z.object({ code: z.string(), message: z.string(), fix: z.string() });

/** The ELF files that the process had mapped, and those of them that could not be had. */
export const modulesSchema = z.object({
  modules: z.array(
    z.object({
      range: z.string(),
      bytes: z.number(),
      path: z.string(),
      deleted: z.boolean(),
      buildId: z.string().exactOptional(),
      via: z.enum(['map', 'path']),
    }),
  ),
  sent: z.number(),
  sentBytes: z.number(),
  gaps: z.array(z.object({ what: z.string(), why: z.string(), fix: z.string().exactOptional() })),
});

/** What was fetched of the sources that frames name: path on the host → content in the source store. */
export const sourceRecordSchema = z.array(
  z.object({
    path: z.string(),
    /** Absent: it could not be had. */
    sha256: z.string().optional(),
    /** ISO 8601 UTC, by the host's clock. */
    modifiedAt: z.string().optional(),
    why: z.string().optional(),
  }),
);
export type SourceRecord = z.infer<typeof sourceRecordSchema>;

/** What was fetched of the debug files that the host has, for the modules that stacks lead through. */
export const debugFilesSchema = z.object({
  files: z.array(
    z.object({
      buildId: z.string(),
      /** On the host. */
      path: z.string(),
      /** Absent: it could not be had. */
      bytes: z.number().exactOptional(),
      why: z.string().exactOptional(),
    }),
  ),
  /** Compressed. */
  sentBytes: z.number(),
});

/** What became of the service. */
export const recoverySchema = z.object({
  mode: z.enum(['service', 'worker']),
  service: z.string(),
  succeeded: z.boolean(),
  answered: z.boolean().exactOptional(),
  downSeconds: z.number().exactOptional(),
  by: z.string().exactOptional(),
  /** The host keeps a mark of the recovery under it, until `remove-remote-files`. */
  key: z.string().exactOptional(),
  /** Of a recovery that failed. */
  why: z.string().exactOptional(),
  fix: z.string().exactOptional(),
});
export type RecoveryRecord = z.infer<typeof recoverySchema>;

export const records = {
  found: 'found',
  capture: 'capture',
  captureFailure: 'capture-failure',
  modules: 'modules',
  recovery: 'recovery',
  sources: 'sources',
  debugFiles: 'debug-files',
  report: 'report',
  evidence: 'evidence.txt',
} as const;

/**
 * All that a case holds of its incident, for the analysis; without a core its evidence has to do.
 * @throws HangarError `NO_CORE_IN_CASE` when it has neither
 */
export async function subjectOf(folder: CaseFolder, state: string): Promise<Subject | CorelessSubject> {
  const found = await folder.readRecord(records.found, foundSchema);
  const capture = await folder.readRecord(records.capture, captureSchema);
  const modules = await folder.readRecord(records.modules, modulesSchema);
  const recovery = await folder.readRecord(records.recovery, recoverySchema);
  const sources = await folder.readRecord(records.sources, sourceRecordSchema);
  const debugFiles = await folder.readRecord(records.debugFiles, debugFilesSchema);
  const gaps = [...(modules?.gaps ?? []), ...debugFileGaps(debugFiles)];
  const evidence = await evidenceOf(folder, gaps);
  const store = openSourceStore(state);
  const known = {
    case: folder.id,
    host: {
      name: folder.host,
      ...(evidence?.os !== undefined && { os: evidence.os }),
      ...(evidence?.kernel !== undefined && { kernel: evidence.kernel }),
    },
    ...(found && { candidates: found.candidates }),
    ...(found?.service && { service: found.service.name }),
    ...(recovery && { recovery: recoveryOf(recovery) }),
    ...noticeOf(recovery),
    ...(sources && { sources: fetchedSources(sources, found?.startedAt, sha256 => store.get(sha256)) }),
  };
  if (folder.core?.complete !== true) {
    if (evidence === undefined) throw noCoreInCase(folder);
    return { ...known, evidence, noCore: await whyNoCore(folder) };
  }
  return {
    ...known,
    core: folder.corePath,
    ...(capture && { capture: captureOf(capture, folder.core.storedBytes) }),
    ...(evidence && { evidence }),
  };
}

async function whyNoCore(folder: CaseFolder): Promise<CorelessSubject['noCore']> {
  if ((await folder.readRecord(records.capture, captureSchema)) !== undefined)
    return {
      why: 'it was taken, but is not here as a whole',
      fix: 'fetch it: runbook resume RUN (runbook runs lists them)',
    };
  const failure = await folder.readRecord(records.captureFailure, captureFailureSchema);
  if (failure === undefined) return { why: 'none was taken', fix: `take one: runbook capture --host ${folder.host}` };
  return { why: `none could be taken: ${failure.message}`, fix: failure.fix };
}

function noCoreInCase(folder: CaseFolder): HangarError {
  return new HangarError({
    code: 'NO_CORE_IN_CASE',
    message: `case "${folder.id}" holds no complete core`,
    fix: `take one: runbook capture --host ${folder.host}`,
    failure: 'step',
  });
}

/** Keeps the report of a case that has none yet: a later analysis by hand leaves the run's own alone. */
export async function keepFirstReport(folder: CaseFolder, report: Report): Promise<void> {
  if ((await folder.readRecord(records.report, reportSchema)) === undefined)
    await folder.writeRecord(records.report, report);
}

/** The report of a case with what happened after it was made; undefined: the case was not analysed. */
export async function reportOfCase(folder: CaseFolder): Promise<Report | undefined> {
  const report = await folder.readRecord(records.report, reportSchema);
  const recovery = await folder.readRecord(records.recovery, recoverySchema);
  if (report === undefined || recovery === undefined || report.recovery !== undefined) return report;
  const { notice } = noticeOf(recovery);
  return {
    ...report,
    recovery: recoveryOf(recovery),
    ...(notice !== undefined && { notice, summary: `${notice} ${report.summary}` }),
  };
}

function captureOf({ method, at, stoppedSeconds, coreBytes }: CaptureRecord, storedBytes: number): Report['capture'] {
  return { method, at, ...(stoppedSeconds !== undefined && { stoppedSeconds }), coreBytes, storedBytes };
}

function recoveryOf({ mode, service, succeeded, downSeconds }: RecoveryRecord): NonNullable<Report['recovery']> {
  return { mode, service, succeeded, ...(downSeconds !== undefined && { downSeconds }) };
}

/** What must be read before everything else: the service is still down. */
function noticeOf(recovery: RecoveryRecord | undefined): { readonly notice?: string } {
  if (recovery === undefined || recovery.succeeded) return {};
  return { notice: `${recovery.service || 'The service'} IS STILL DOWN: ${recovery.why ?? 'its restart failed'}.` };
}

function debugFileGaps(record: z.infer<typeof debugFilesSchema> | undefined): ProcessEvidence['gaps'] {
  return (record?.files ?? []).flatMap(({ path, why }) =>
    why === undefined ? [] : [{ what: `debug symbols: ${path}`, why }],
  );
}

async function evidenceOf(folder: CaseFolder, fileGaps: ProcessEvidence['gaps']): Promise<ProcessEvidence | undefined> {
  const transcript = await folder.readText(records.evidence);
  const evidence = transcript === undefined ? undefined : readEvidence(transcript);
  return evidence && { ...evidence, gaps: [...evidence.gaps, ...fileGaps] };
}

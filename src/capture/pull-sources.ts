import type { Host } from '../fleet/host.ts';
import type { SshSession } from '../ssh/session.ts';
import type { CallOptions } from './host-program.ts';
import { hostLine } from './host-program.ts';
import type { ProcessId } from './process-id.ts';
import { processArguments } from './process-id.ts';
import { DamagedFile, receiveFiles, verified } from './receive-files.ts';

/** Where source files are kept by content. */
export interface SourceSink {
  /** Resolves with the content's SHA-256 in hex. */
  put(content: Uint8Array): Promise<string>;
}

/** What became of one file that a frame names. */
export interface PulledSource {
  readonly path: string;
  /** Absent: it could not be had. */
  readonly sha256?: string;
  /** ISO 8601 UTC, by the host's clock. */
  readonly modifiedAt?: string;
  readonly why?: string;
}

/** More files than any stack names, and larger ones than anybody wrote: they bound what a strange core can ask for. */
const maxFiles = 2000;
const maxFileBytes = 4 * 1024 * 1024;

/**
 * Brings the Python sources that frames name, as the process saw them where it still lives.
 * @throws HangarError as `streamFromHost`; a single file that cannot be had says so
 */
export async function pullSources(
  session: SshSession,
  { paths, process }: { readonly paths: readonly string[]; readonly process?: ProcessId },
  store: SourceSink,
  { signal }: CallOptions = {},
): Promise<readonly PulledSource[]> {
  const wanted = paths.filter(isSource).slice(0, maxFiles);
  const pulled: PulledSource[] = paths
    .filter(path => !wanted.includes(path))
    .map(path => ({ path, why: 'not the path of a Python source' }));
  if (wanted.length === 0) return pulled;
  await receiveFiles(
    session,
    'read',
    { ...(process && processArguments(process)), max: maxFileBytes, path: wanted },
    async file => {
      const path = wanted[Number(file.key)] ?? '';
      if (file.status === 'missing') pulled.push({ path, why: file.why });
      else pulled.push(await keep(path, file, store));
    },
    { ...(signal && { signal }), timeoutSeconds: 120 },
  );
  return pulled;
}

/** The commands that `pullSources` runs. */
export function pullSourcesCommands(host: Host): readonly string[] {
  return [hostLine(host, 'read', { pid: '<pid>', max: maxFileBytes, path: ['<source files that frames name>'] })];
}

/** Frozen and generated code has names like `<string>`. */
function isSource(path: string): boolean {
  return path.startsWith('/') && !path.includes('\n') && /\.(py|pyw|wsgi|cgi|pyx)$/.test(path);
}

async function keep(path: string, file: Parameters<typeof verified>[0], store: SourceSink): Promise<PulledSource> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of verified(file)) chunks.push(chunk);
  } catch (error) {
    if (error instanceof DamagedFile) return { path, why: error.message };
    throw error;
  }
  const sha256 = await store.put(Buffer.concat(chunks));
  return { path, sha256, modifiedAt: new Date(file.modifiedAt * 1000).toISOString() };
}

import { formatAddress } from '../corefile/memory.ts';
import type { JudgedFrame, JudgedThread } from '../verdict/thread.ts';
import type { ReportThread } from './schema.ts';

/** Text of a source file and how it relates to what ran; undefined when nothing is known of it. */
export type SourceLookup = (file: string) => SourceText | undefined;

export interface SourceText {
  readonly text?: string;
  readonly status: 'as-run' | 'changed-since' | 'given' | 'absent';
}

export interface ThreadOptions {
  readonly sources?: SourceLookup;
  readonly showQuery: boolean;
}

/** A thread as the report has it. */
export function reportThread(thread: JudgedThread, { sources, showQuery }: ThreadOptions): ReportThread {
  const { lwp, nsPid, name, state, cpuPercent, role, gil, request } = thread;
  return {
    lwp,
    ...(nsPid !== undefined && { nsPid }),
    ...(name !== undefined && { name }),
    ...(state !== undefined && { state }),
    ...(cpuPercent !== undefined && { cpuPercent }),
    role,
    gil,
    python: thread.python.map(frame => reportFrame(frame, sources)),
    native: thread.native.map(({ function: called, module, offset, file, line }) => ({
      ...(called !== undefined && { function: called }),
      ...(module !== undefined && { module }),
      ...(offset !== undefined && offset >= 0n && { offset: formatAddress(offset) }),
      ...(file !== undefined && { file }),
      ...(line !== undefined && { line }),
    })),
    stack: thread.stack.map(entry => ({ ...entry })),
    ...(thread.waits && { waits: reportWait(thread.waits) }),
    holds: thread.holds.map(({ kind, address, at }) => ({
      kind,
      address: formatAddress(address),
      ...(at && { at: { ...at } }),
    })),
    ...(request && { request: reportRequest(request, showQuery) }),
  };
}

function reportFrame(frame: JudgedFrame, sources: SourceLookup | undefined): ReportThread['python'][number] {
  const { function: name, file, line, interpreter, locals } = frame;
  const source = sources && sourceAround(frame, sources);
  return {
    function: name,
    file,
    line,
    interpreter,
    ...(source && { source }),
    ...(locals && { locals: locals.map(local => ({ ...local })) }),
  };
}

const linesBefore = 2;
const linesAfter = 2;

/** A few lines around the frame's, of the file as it was; a file that cannot hold the line is not the one that ran. */
export function sourceAround(
  { file, line }: Pick<JudgedFrame, 'file' | 'line'>,
  sources: SourceLookup,
): ReportThread['python'][number]['source'] {
  const source = sources(file);
  if (source === undefined) return undefined;
  const all = source.text?.split(/\r\n|[\n\r]/) ?? [];
  if (source.status === 'absent' || line < 1 || line > all.length) return { firstLine: 0, lines: [], status: 'absent' };
  const firstLine = Math.max(1, line - linesBefore);
  return { firstLine, lines: all.slice(firstLine - 1, line + linesAfter), status: source.status };
}

function reportWait(waits: NonNullable<JudgedThread['waits']>): NonNullable<ReportThread['waits']> {
  const {
    kind,
    address,
    owner,
    ownerTask,
    holders,
    pid,
    module,
    confidence,
    peer,
    fd,
    syscall,
    timeoutSeconds,
    socketTimeoutSeconds,
  } = waits;
  return {
    kind,
    ...(address !== undefined && { address: formatAddress(address) }),
    ...(owner !== undefined && { owner }),
    ...(ownerTask !== undefined && { ownerTask: formatAddress(ownerTask) }),
    ...(holders && { holders: [...holders] }),
    ...(pid !== undefined && { pid }),
    ...(module !== undefined && { module }),
    confidence,
    ...(peer !== undefined && { peer }),
    ...(fd !== undefined && { fd }),
    ...(syscall !== undefined && { syscall }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...(socketTimeoutSeconds !== undefined && { socketTimeoutSeconds }),
  };
}

/** A request as the report has it: its query only where that was asked for. */
export function reportRequest(
  request: NonNullable<JudgedThread['request']>,
  showQuery: boolean,
): NonNullable<ReportThread['request']> {
  const { method, path, query } = request;
  const bare = path.replace(/[?#].*$/s, '');
  return { method, path: showQuery && query !== undefined && query !== '' ? `${bare}?${query}` : bare };
}

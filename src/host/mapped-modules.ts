import { linesOf, toNumber } from './transcript.ts';

/** An ELF file that a process has mapped. */
export interface MappedModule {
  /** `START-END` of its first mapping, in hex as in /proc/PID/maps: names it in /proc/PID/map_files. */
  readonly range: string;
  readonly bytes: number;
  readonly path: string;
  /** Replaced or removed on disk since it was mapped. */
  readonly deleted: boolean;
  /** GNU build-id in hex; absent when the file has none. */
  readonly buildId?: string;
  /** Whether /proc/PID/map_files gives its bytes (root), or only the path does. */
  readonly via: 'map' | 'path';
}

export interface MappedModules {
  readonly modules: readonly MappedModule[];
  /** Mapped files that could not be read. */
  readonly gaps: readonly { readonly what: string; readonly why: string; readonly fix?: string }[];
}

/** Reads the output of the host program's `modules`; undefined when it breaks off. */
export function readMappedModules(stdout: string): MappedModules | undefined {
  const lines = stdout.split('\n');
  if (!lines.includes('end')) return undefined;
  return { modules: linesOf(lines, 'module').flatMap(readModule), gaps: readGaps(lines) };
}

/** `gap WHAT|WHY|FIX` lines. */
export function readGaps(lines: readonly string[]): MappedModules['gaps'] {
  return linesOf(lines, 'gap').map(line => {
    const [what = '', why = '', fix = ''] = line.split('|');
    return { what, why, ...(fix !== '' && { fix }) };
  });
}

/** `RANGE BYTES VIA PATH BUILD-ID`; the path may hold blanks. */
function readModule(line: string): readonly MappedModule[] {
  const found = /^([0-9a-f]+-[0-9a-f]+) (\d+) (map|path) (.*) (\S+)$/.exec(line);
  if (found?.[4] === undefined || found[1] === undefined) return [];
  const deleted = found[4].endsWith(' (deleted)');
  const id = found[5] ?? '';
  return [
    {
      range: found[1],
      bytes: toNumber(found[2]) ?? 0,
      path: unescape(deleted ? found[4].slice(0, -' (deleted)'.length) : found[4]),
      deleted,
      via: found[3] === 'map' ? 'map' : 'path',
      ...(/^([0-9a-f]{2})+$/.test(id) && { buildId: id }),
    },
  ];
}

/** The kernel writes a newline in a path of /proc/PID/maps as `\012`. */
function unescape(path: string): string {
  return path.replaceAll('\\012', '\n');
}

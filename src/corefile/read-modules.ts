import { attempt } from './attempt.ts';
import type { CoreFile, FileMapping } from './core.ts';
import type { ProgramHeader } from './elf.ts';
import { readProgramHeaders, segmentFlag, segmentType } from './elf.ts';
import { extentOf, readImage } from './image.ts';
import type { LoadedLibrary } from './link-map.ts';
import { maxModules, readLinkMap } from './link-map.ts';
import type { Memory } from './memory.ts';
import { readCString } from './memory.ts';
import type { Module } from './module.ts';
import { findBuildId } from './read-build-id.ts';
import { scanModules } from './scan-modules.ts';

/**
 * The ELF files that the process had loaded, the executable first, then in the dynamic linker's order, the vDSO last;
 * none looked for on disk yet (`resolveModules` does).
 *
 * Sources: NT_AUXV's AT_PHDR → the executable's dynamic section → DT_DEBUG → `r_debug.r_map` (link.h). Mappings of
 * ELF files that this list lacks (all of them, when it was not dumped) are taken from NT_FILE. A core without either
 * note is searched, see `scanModules`.
 */
export function readModules(core: CoreFile): readonly Module[] {
  if (core.mappings.length === 0 && core.auxv.size === 0) return scanModules(core);
  const groups = groupMappings(core.mappings);
  const executable = readExecutable(core, groups);
  const libraries = executable === undefined ? [] : readLinkMap(core.memory, executable.dynamic);
  const modules = executable === undefined ? [] : [executable.module];
  const vdso = readVdso(core);
  for (const library of libraries) {
    if (library.bias === vdso?.bias) continue;
    const module = moduleOfLibrary(core.memory, library, groups);
    if (module !== undefined && !modules.some(known => known.start === module.start)) modules.push(module);
  }
  for (const group of groups)
    if (isCode(core, group) && modules.length < maxModules && !modules.some(module => overlap(module, group)))
      modules.push(moduleOfGroup(core, group));
  return vdso === undefined ? modules : [...modules, vdso];
}

/** Entries of the auxiliary vector, getauxval(3). */
const auxv = { programHeaders: 3, programCount: 5, entry: 9, executableName: 31, vdso: 33 } as const;

/** Consecutive mappings of one file: how the loader mapped it. */
interface MappingGroup {
  readonly path: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly startsWithHeader: boolean;
  readonly mappings: readonly FileMapping[];
}

function groupMappings(mappings: readonly FileMapping[]): readonly MappingGroup[] {
  const groups: FileMapping[][] = [];
  for (const mapping of mappings) {
    const group = groups.at(-1);
    const previous = group?.at(-1);
    // A file that is loaded twice starts again at offset 0.
    if (previous?.path === mapping.path && mapping.fileOffset > 0n) group?.push(mapping);
    else groups.push([mapping]);
  }
  return groups.flatMap(group => {
    const [first] = group;
    const last = group.at(-1);
    if (first === undefined || last === undefined) return [];
    const path = withoutDeleted(first.path);
    return [{ path, start: first.start, end: last.end, startsWithHeader: first.fileOffset === 0n, mappings: group }];
  });
}

/** What /proc/PID/maps adds to the path of a file that was replaced or removed (proc(5)). */
function withoutDeleted(path: string): string {
  return path.endsWith(' (deleted)') ? path.slice(0, -' (deleted)'.length) : path;
}

interface Executable {
  readonly module: Module;
  /** Address of its dynamic section. */
  readonly dynamic?: bigint;
}

function readExecutable(core: CoreFile, groups: readonly MappingGroup[]): Executable | undefined {
  const entry = core.auxv.get(auxv.entry);
  const headersAt = core.auxv.get(auxv.programHeaders);
  const group = entry === undefined ? undefined : groupAt(groups, entry);
  const path = group?.path ?? executableName(core);
  if (path === undefined || (group === undefined && headersAt === undefined)) return undefined;
  const programs = executableHeaders(core);
  const self = programs.find(program => program.type === segmentType.headers);
  const image = group && readImage(core.memory, group.start);
  const bias = self !== undefined && headersAt !== undefined ? headersAt - self.address : (image?.bias ?? 0n);
  const extent = programs.length > 0 ? extentOf(programs, bias) : image;
  const buildId = findBuildId(core.memory, programs.length > 0 ? programs : (image?.programs ?? []), bias);
  const dynamic = programs.find(program => program.type === segmentType.dynamic);
  return {
    module: {
      name: path,
      path,
      isExecutable: true,
      bias,
      start: extent?.start ?? group?.start ?? 0n,
      end: extent?.end ?? group?.end ?? 0n,
      ...(buildId && { buildId }),
      file: { status: 'missing', searched: [] },
    },
    ...(dynamic && { dynamic: bias + dynamic.address }),
  };
}

function executableName(core: CoreFile): string | undefined {
  const at = core.auxv.get(auxv.executableName);
  return at === undefined ? undefined : attempt(() => readCString(core.memory, at)) || undefined;
}

function executableHeaders(core: CoreFile): readonly ProgramHeader[] {
  const at = core.auxv.get(auxv.programHeaders);
  const count = Number(core.auxv.get(auxv.programCount) ?? 0n);
  return at === undefined ? [] : (attempt(() => readProgramHeaders(core.memory, at, count)) ?? []);
}

function moduleOfLibrary(memory: Memory, library: LoadedLibrary, groups: readonly MappingGroup[]): Module | undefined {
  const group = groupAt(groups, library.dynamic);
  // Nearly always the bias is the address of the ELF header; a library linked at a fixed address is the exception.
  const image = (group && readImage(memory, group.start)) ?? readImage(memory, library.bias);
  if (image === undefined && group === undefined) return undefined;
  const extent = image && extentOf(image.programs, library.bias);
  const buildId = image && findBuildId(memory, image.programs, library.bias);
  return {
    name: library.name || group?.path || '[unnamed]',
    ...(group && { path: group.path }),
    isExecutable: false,
    bias: library.bias,
    start: extent?.start ?? group?.start ?? library.bias,
    end: extent?.end ?? group?.end ?? library.bias,
    ...(buildId && { buildId }),
    file: { status: 'missing', searched: [] },
  };
}

function moduleOfGroup(core: CoreFile, group: MappingGroup): Module {
  const image = readImage(core.memory, group.start);
  const buildId = image && findBuildId(core.memory, image.programs, image.bias);
  return {
    name: group.path,
    path: group.path,
    isExecutable: false,
    bias: image?.bias ?? group.start,
    start: group.start,
    end: image && image.end > group.end ? image.end : group.end,
    ...(buildId && { buildId }),
    file: { status: 'missing', searched: [] },
  };
}

/** Data files are mapped, too (locales, caches), and ELF files by those who read them: the loader maps code apart. */
function isCode({ memory }: CoreFile, { start, end, startsWithHeader, mappings }: MappingGroup): boolean {
  const image = startsWithHeader && mappings.length > 1 ? readImage(memory, start) : undefined;
  return (image?.programs ?? []).some(({ type, flags, address }) => {
    const at = address + (image?.bias ?? 0n);
    return type === segmentType.load && (flags & segmentFlag.executable) !== 0 && at >= start && at < end;
  });
}

function readVdso(core: CoreFile): Module | undefined {
  const start = core.auxv.get(auxv.vdso);
  const image = start === undefined ? undefined : readImage(core.memory, start);
  if (start === undefined || image === undefined) return undefined;
  const buildId = findBuildId(core.memory, image.programs, image.bias);
  return {
    name: 'linux-vdso.so.1',
    isExecutable: false,
    bias: image.bias,
    start: image.start,
    end: image.end,
    ...(buildId && { buildId }),
    file: { status: 'missing', searched: [] },
  };
}

function groupAt(groups: readonly MappingGroup[], address: bigint): MappingGroup | undefined {
  return groups.find(group => group.mappings.some(({ start, end }) => address >= start && address < end));
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

function overlap(a: Range, b: Range): boolean {
  return a.start < b.end && b.start < a.end;
}

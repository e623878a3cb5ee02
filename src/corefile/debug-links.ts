import type { BuildId } from './build-id.ts';
import { isBuildId } from './build-id.ts';
import { describeElfFile, withFile } from './elf-file.ts';

/** What a debug file shares with others of its package lies in a file of its own (dwz(1), `-m`). */
export interface AlternateLink {
  /** As the debug file names it: absolute, or from the directory that the debug file really is in. */
  readonly path: string;
  readonly buildId: BuildId;
}

/**
 * Bare name of the debug file that a stripped module names (`.gnu_debuglink`: gdb manual, "Debugging Information in
 * Separate Files"); undefined where it names none.
 */
export function readDebugLink(path: string): string | undefined {
  const name = textBeforeNul(readSection(path, '.gnu_debuglink'));
  return name === undefined || name.includes('/') ? undefined : name;
}

/** Where a debug file says that the rest of it is (`.gnu_debugaltlink`); undefined where it is whole. */
export function readAlternateLink(path: string): AlternateLink | undefined {
  const content = readSection(path, '.gnu_debugaltlink');
  const name = textBeforeNul(content);
  if (content === undefined || name === undefined) return undefined;
  const buildId = content.toString('hex', content.indexOf(0) + 1);
  return isBuildId(buildId) ? { path: name, buildId } : undefined;
}

/** A path, and a checksum or a build-id. */
const maxSectionBytes = 4096 + 64;

function readSection(path: string, wanted: string): Buffer | undefined {
  return withFile(path, file => {
    const section = describeElfFile(file)?.sections.find(({ name }) => name === wanted);
    if (section === undefined || section.bytes > maxSectionBytes) return undefined;
    return Buffer.from(file.read(Number(section.offset), Number(section.bytes)));
  });
}

function textBeforeNul(content: Buffer | undefined): string | undefined {
  const end = content?.indexOf(0) ?? -1;
  return end > 0 ? content?.toString('utf8', 0, end) : undefined;
}

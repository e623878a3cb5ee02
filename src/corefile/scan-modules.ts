import { attempt } from './attempt.ts';
import type { CoreFile } from './core.ts';
import { elfKind, segmentType } from './elf.ts';
import type { Image } from './image.ts';
import { readImage } from './image.ts';
import { dynamicEntry, dynamicTag, maxModules, readLinkMap } from './link-map.ts';
import { formatAddress, readCString } from './memory.ts';
import type { Module } from './module.ts';
import { findBuildId } from './read-build-id.ts';

/**
 * The ELF files whose header starts a dumped segment: what is left where no note names them. gcore writes the notes last,
 * a core of it that was cut off has none. Names come from the dynamic linker's list (the image that has DT_DEBUG is the
 * executable), else from the files' own DT_SONAME.
 */
export function scanModules(core: CoreFile): readonly Module[] {
  const images = mappedImages(core);
  const executable = images.find(image => tagOf(core, image, dynamicTag.debug) !== undefined);
  const libraries = readLinkMap(core.memory, executable && dynamicOf(executable));
  const names = new Map(libraries.map(({ bias, name }) => [bias, name]));
  const modules = images.map((image): Module => {
    const isExecutable = image === executable;
    const buildId = findBuildId(core.memory, image.programs, image.bias);
    const own = isExecutable ? '[executable]' : (soname(core, image) ?? `[module at ${formatAddress(image.start)}]`);
    return {
      name: names.get(image.bias) || own,
      isExecutable,
      bias: image.bias,
      start: image.start,
      end: image.end,
      ...(buildId && { buildId }),
      file: { status: 'missing', searched: [] },
    };
  });
  return modules.sort((a, b) => Number(b.isExecutable) - Number(a.isExecutable));
}

function mappedImages(core: CoreFile): readonly Image[] {
  const images: Image[] = [];
  let end = 0n;
  for (const { address, fileBytes } of core.segments) {
    if (address < end || fileBytes < 64n) continue;
    const head = attempt(() => core.memory.read(address, 64));
    if (head === undefined || elfKind(head) !== 'elf64-little') continue;
    const image = readImage(core.memory, address);
    if (image === undefined || image.start !== address || image.end <= address) continue;
    images.push(image);
    if (images.length === maxModules) break;
    end = image.end;
  }
  return images;
}

function dynamicOf({ programs, bias }: Image): bigint | undefined {
  const dynamic = programs.find(({ type }) => type === segmentType.dynamic);
  return dynamic && bias + dynamic.address;
}

/** A tag's value other than 0. */
function tagOf(core: CoreFile, image: Image, tag: bigint): bigint | undefined {
  const dynamic = dynamicOf(image);
  const value = dynamic && attempt(() => dynamicEntry(core.memory, dynamic, tag));
  return value === 0n ? undefined : value;
}

function soname(core: CoreFile, image: Image): string | undefined {
  const offset = tagOf(core, image, dynamicTag.soname);
  const strings = tagOf(core, image, dynamicTag.strings);
  if (offset === undefined || strings === undefined) return undefined;
  // The dynamic linker relocates this address in place, but not the vDSO's.
  const table = strings < image.start ? strings + image.bias : strings;
  return attempt(() => readCString(core.memory, table + offset, 256)) || undefined;
}

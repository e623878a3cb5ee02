import { HangarError } from '../errors.ts';

/** GNU build-id: lowercase hex of the `.note.gnu.build-id` descriptor, usually 20 bytes (elf(5), ld --build-id). */
export type BuildId = string & { readonly __brand: 'BuildId' };

/** @throws HangarError `BUILD_ID_INVALID` */
export function parseBuildId(text: string): BuildId {
  const hex = text.toLowerCase();
  if (!isBuildId(hex))
    throw new HangarError({
      code: 'BUILD_ID_INVALID',
      message: `"${text}" is not a build-id: expected an even number of hex digits, at least 4`,
      fix: 'read it with: readelf -n FILE',
      failure: 'usage',
    });
  return hex;
}

export function isBuildId(text: string): text is BuildId {
  return /^(?:[0-9a-f]{2}){2,64}$/.test(text);
}

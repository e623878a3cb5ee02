import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';

/** The uncompressed core of a `.zst` one, in `folder`. */
export async function expandedCore(path: string, folder: string): Promise<string> {
  const core = join(folder, 'core');
  await pipeline(createReadStream(path), createZstdDecompress(), createWriteStream(core, { mode: 0o600 }));
  return core;
}

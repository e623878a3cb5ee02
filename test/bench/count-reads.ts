import fs, { appendFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Preloaded (`node --import`): at its end, writes path, bytes and calls of every file that it read into `READ_FILES`, a line each. */
const list = process.env['READ_FILES'];
const { openSync, readSync } = fs;
const paths = new Map<number, string>();
const counts = new Map<string, { bytes: number; calls: number }>();

fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest);
  paths.set(fd, String(path));
  return fd;
};

fs.readSync = (fd: number, ...rest: readonly unknown[]): number => {
  const bytes: number = Reflect.apply(readSync, fs, [fd, ...rest]);
  const path = paths.get(fd) ?? '';
  const count = counts.get(path) ?? { bytes: 0, calls: 0 };
  counts.set(path, { bytes: count.bytes + bytes, calls: count.calls + 1 });
  return bytes;
};

syncBuiltinESMExports();

process.on('exit', () => {
  if (list === undefined) return;
  for (const [path, { bytes, calls }] of counts) appendFileSync(list, `${JSON.stringify({ path, bytes, calls })}\n`);
});

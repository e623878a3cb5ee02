import type { NativeFrame } from '../../native/stacks.ts';
import { plainName } from '../native-names.ts';
import { baseName, shortName } from '../origin.ts';
import type { JudgedFrame } from '../thread.ts';
import { type ServerThread, serverModules, serverThreads } from './server-threads.ts';
import { serverWaits } from './server-waits.ts';
import { workLoops } from './work-loops.ts';

/** Whether the frames inside the service's own code are a loop, of the standard library or of a server, that waits for work. */
export function waitsInLoop(frames: readonly JudgedFrame[]): boolean {
  const end = frames.findIndex(({ origin }) => origin !== 'stdlib');
  return frames.slice(0, end < 0 ? frames.length : end).some(isWorkLoop) || waitsInServer(frames);
}

function isWorkLoop({ file, function: name }: JudgedFrame): boolean {
  const base = baseName(file).toLowerCase();
  return workLoops.some(loop => loop.file === base && loop.functions.includes(shortName(name)));
}

/** Whether a thread stands where a server is known to wait for its next work. */
export function waitsInServer(frames: readonly JudgedFrame[]): boolean {
  let isInnermost = true;
  for (const { file, function: name, origin } of frames) {
    const known = serverWaits.some(
      wait =>
        (isInnermost || wait.through === true) &&
        (file === wait.file || file.endsWith(`/${wait.file}`)) &&
        wait.functions.includes(shortName(name)),
    );
    if (known) return true;
    if (origin === 'application') return false;
    isInnermost &&= origin === 'stdlib';
  }
  return false;
}

/** Which thread of a known server the native frames are of; undefined for others. */
export function serverThread(native: readonly NativeFrame[]): Pick<ServerThread, 'role'> | undefined {
  for (const { function: name, module } of native) {
    const known =
      name === undefined ? undefined : serverThreads.find(({ functions }) => functions.includes(plainName(name)));
    if (known !== undefined) return known;
    const isStripped = name === undefined && module !== undefined;
    if (isStripped && serverModules.some(({ file }) => file.test(baseName(module)))) return { role: 'idle' };
  }
  return undefined;
}

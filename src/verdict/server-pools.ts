import { type ServerPool, serverModules, serverThreads } from './known/server-threads.ts';
import { isSystemModule, plainName } from './native-names.ts';
import { baseName } from './origin.ts';
import type { JudgedThread } from './thread.ts';
import type { Pool } from './wait-graph.ts';

/** Pools of threads of an embedding server, by their native stacks; such a server starts all its threads at once. */
export function serverPools(threads: readonly JudgedThread[]): readonly Pool[] {
  const kinds = new Set(serverThreads.flatMap(({ pool }) => pool ?? []));
  return [...kinds].flatMap(kind => {
    const names = new Set(serverThreads.flatMap(({ pool, functions }) => (pool === kind ? functions : [])));
    const workers = threads
      .filter(thread => isNamed(thread, names) || startsInStripped(thread, kind))
      .map(({ lwp, python }) => ({ lwp, busy: python.length > 0 }));
    if (workers.length < 2) return [];
    // One whose stack is not known may be a worker that idles.
    const isWhole = threads.every(({ native }) => native.length > 0);
    const text = `${workers.length} threads are workers of ${kind}, by the functions that they run`;
    return [{ kind, workers, ...(isWhole && { size: workers.length }), evidence: [{ text }] }];
  });
}

function isNamed({ native }: JudgedThread, names: ReadonlySet<string>): boolean {
  return native.some(({ function: name }) => name !== undefined && names.has(plainName(name)));
}

/** Where the functions of the server's module have no names, a thread that starts in it is one of the server's own. */
function startsInStripped({ native, python, waits }: JudgedThread, kind: ServerPool): boolean {
  const start = native.findLast(({ module }) => !isSystemModule(module));
  const base = baseName(start?.module ?? '');
  const isOwn = serverModules.some(({ pool, file }) => pool === kind && file.test(base));
  if (!isOwn || start?.function !== undefined) return false;
  // Those that watch over the others sleep between two looks.
  return python.length > 0 || waits?.kind !== 'sleep';
}

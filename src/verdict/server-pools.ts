import { baseName } from './origin.ts';
import type { JudgedThread } from './thread.ts';
import type { Pool } from './wait-graph.ts';

/**
 * Servers that hand each request to one of their own threads, which run no Python in between: the function that such a
 * thread runs all its life. Sources: mod_wsgi src/server/mod_wsgi.c (daemon mode), uWSGI core/loop.c.
 */
const servers: readonly {
  readonly kind: Pool['kind'];
  readonly function: string;
  /** Where the functions of that module have no names: a thread that starts in it is one of the server's own. */
  readonly module?: string;
}[] = [
  { kind: 'mod_wsgi', function: 'wsgi_daemon_thread', module: 'mod_wsgi' },
  { kind: 'uwsgi', function: 'simple_loop_run' },
];

/** Pools of threads of an embedding server, by their native stacks; such a server starts all its threads at once. */
export function serverPools(threads: readonly JudgedThread[]): readonly Pool[] {
  return servers.flatMap(server => {
    const workers = threads
      .filter(thread => isWorker(thread, server))
      .map(({ lwp, python }) => ({ lwp, busy: python.length > 0 }));
    if (workers.length < 2) return [];
    // One whose stack is not known may be a worker that idles.
    const isWhole = threads.every(({ native }) => native.length > 0);
    const text = `${workers.length} threads run ${server.function} of ${server.kind}`;
    return [{ kind: server.kind, workers, ...(isWhole && { size: workers.length }), evidence: [{ text }] }];
  });
}

function isWorker({ native, python, waits }: JudgedThread, server: (typeof servers)[number]): boolean {
  if (native.some(({ function: name }) => name === server.function)) return true;
  if (server.module === undefined) return false;
  const outermost = native.findLast(({ module = '' }) => !/^(?:libc|libpthread)[-.]/.test(baseName(module)));
  if (outermost?.function !== undefined || !baseName(outermost?.module ?? '').startsWith(server.module)) return false;
  // Those that watch over the others sleep between two looks.
  return python.length > 0 || waits?.kind !== 'sleep';
}

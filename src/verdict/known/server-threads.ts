/** A C function of a server that tells what its thread is for, Python or not. */
export interface ServerThread {
  readonly server: string;
  readonly functions: readonly string[];
  /** `idle`: a worker between two requests, unless it runs Python. `runtime`: one that looks after others. */
  readonly role: 'idle' | 'runtime';
  /** What a worker runs all its life that the server hands requests to, and that runs no Python in between. */
  readonly pool?: ServerPool;
  readonly source: string;
}

/** Servers whose own threads serve the requests. */
export type ServerPool = 'mod_wsgi' | 'uwsgi';

/** The innermost one that a thread's native stack has tells its role. */
export const serverThreads: readonly ServerThread[] = [
  {
    server: 'mod_wsgi',
    functions: ['wsgi_daemon_worker'],
    role: 'idle',
    source: 'mod_wsgi 4.9.4 and 5.0.2, src/server/mod_wsgi.c',
  },
  {
    server: 'mod_wsgi',
    functions: ['wsgi_daemon_thread'],
    role: 'idle',
    pool: 'mod_wsgi',
    source: 'mod_wsgi 4.9.4 and 5.0.2, src/server/mod_wsgi.c',
  },
  {
    server: 'mod_wsgi',
    functions: ['wsgi_daemon_main', 'wsgi_monitor_thread', 'wsgi_deadlock_thread', 'wsgi_reaper_thread'],
    role: 'runtime',
    source: 'mod_wsgi 4.9.4 and 5.0.2, src/server/mod_wsgi.c',
  },
  {
    server: 'apache2',
    functions: ['ap_queue_pop_something', 'ap_queue_pop'],
    role: 'idle',
    source: 'httpd 2.4, server/mpm_fdqueue.c',
  },
  { server: 'apache2', functions: ['ap_mpm_podx_check'], role: 'runtime', source: 'httpd 2.4, server/mpm_unix.c' },
  {
    server: 'uWSGI',
    // Its workers take turns: one waits for a connection, the others for its mutex.
    functions: ['wsgi_req_accept'],
    role: 'idle',
    source: 'uWSGI 2.0.31, core/utils.c',
  },
  {
    server: 'uWSGI',
    functions: ['simple_loop_run'],
    role: 'idle',
    pool: 'uwsgi',
    source: 'uWSGI 2.0.31, core/loop.c',
  },
  { server: 'uWSGI', functions: ['master_loop'], role: 'runtime', source: 'uWSGI 2.0.31, core/master.c' },
  {
    server: 'uWSGI',
    functions: ['uwsgi_corerouter_loop'],
    role: 'runtime',
    source: 'uWSGI 2.0.31, plugins/corerouter/corerouter.c: http, fastrouter',
  },
  { server: 'uWSGI', functions: ['cache_sweeper_loop'], role: 'runtime', source: 'uWSGI 2.0.31, core/cache.c' },
  { server: 'uWSGI', functions: ['logger_thread_loop'], role: 'runtime', source: 'uWSGI 2.0.31, core/logging.c' },
  { server: 'uWSGI', functions: ['uwsgi_metrics_loop'], role: 'runtime', source: 'uWSGI 2.0.31, core/metrics.c' },
  { server: 'uWSGI', functions: ['legion_loop'], role: 'runtime', source: 'uWSGI 2.0.31, core/legion.c' },
];

/** A module of a server whose symbols are stripped as a rule: a thread that waits in one is a worker between two requests. */
export interface ServerModule {
  /** Of its base name. */
  readonly file: RegExp;
  readonly pool: ServerPool;
  readonly source: string;
}

export const serverModules: readonly ServerModule[] = [
  { file: /^mod_wsgi[^/]*\.so/, pool: 'mod_wsgi', source: 'package libapache2-mod-wsgi-py3 of Debian 12 and 13' },
];

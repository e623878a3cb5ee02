/** A function of an installed server or library in which a thread waits for its next work. */
export interface ServerWait {
  /** Distribution on PyPI. */
  readonly server: string;
  /** Its source: the file as the distribution has it, which is the end of the path that frames have. */
  readonly file: string;
  /** `co_name`s */
  readonly functions: readonly string[];
  /** It waits in frames of other packages: a client, a transport. Else it is the innermost frame but for the standard library's. */
  readonly through?: true;
  /** Versions whose source was read. */
  readonly versions: string;
}

/**
 * They matter where the service's own program has started the server, or brings it along in a folder of its own, so that
 * a path does not tell whose code waits, and for locks. Threads that libraries start for themselves (Sentry, New Relic,
 * watchdog, APScheduler) have no frame of the service and need no row.
 */
export const serverWaits: readonly ServerWait[] = [
  {
    server: 'gunicorn',
    file: 'gunicorn/arbiter.py',
    functions: ['sleep', 'wait_for_signals'],
    versions: '19.10.0, 23.0.0, 27.0.1',
  },
  {
    server: 'gunicorn',
    file: 'gunicorn/workers/sync.py',
    functions: ['wait'],
    versions: '19.10.0, 23.0.0, 27.0.1',
  },
  // Python 2.7 has no selectors of its own.
  { server: 'gunicorn', file: 'gunicorn/selectors.py', functions: ['select'], through: true, versions: '19.10.0' },
  // What else a process with gevent or eventlet does has frames of other greenlets.
  { server: 'gevent', file: 'gevent/hub.py', functions: ['run'], versions: '20.9.0, 24.2.1, 26.9.0' },
  // Workers of its thread pool, by a bare lock: nobody holds that.
  {
    server: 'gevent',
    file: 'gevent/_threading.py',
    functions: ['wait', 'acquire_with_timeout'],
    versions: '20.9.0, 24.2.1, 26.9.0',
  },
  { server: 'eventlet', file: 'eventlet/hubs/poll.py', functions: ['do_poll', 'wait'], versions: '0.41.3' },
  { server: 'waitress', file: 'waitress/wasyncore.py', functions: ['poll', 'poll2'], versions: '3.0.2' },
  { server: 'cheroot', file: 'cheroot/server.py', functions: ['serve'], versions: '11.1.2' },
  { server: 'twisted', file: 'twisted/internet/epollreactor.py', functions: ['doPoll'], versions: '26.10.0' },
  { server: 'twisted', file: 'twisted/internet/pollreactor.py', functions: ['doPoll'], versions: '26.10.0' },
  { server: 'werkzeug', file: 'werkzeug/_reloader.py', functions: ['run'], versions: '3.1.9' },
  { server: 'kombu', file: 'kombu/utils/eventio.py', functions: ['poll'], versions: '5.7.0' },
  { server: 'kombu', file: 'kombu/connection.py', functions: ['drain_events'], through: true, versions: '5.7.0' },
  { server: 'billiard', file: 'billiard/pool.py', functions: ['receive'], through: true, versions: '4.3.2' },
  { server: 'celery', file: 'celery/beat.py', functions: ['start'], versions: '5.7.0' },
  {
    server: 'rq',
    file: 'rq/worker/base.py',
    functions: ['dequeue_job_and_maintain_ttl'],
    through: true,
    versions: '3.0.0',
  },
  { server: 'dramatiq', file: 'dramatiq/cli.py', functions: ['worker_process'], versions: '2.2.1' },
];

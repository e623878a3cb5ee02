/** A loop of the standard library in which a thread waits for work. */
export interface WorkLoop {
  /** Base name of its file, in lower case: 2.7 has names with capitals. */
  readonly file: string;
  /** `co_name`s; names alone, since lines move with every release. */
  readonly functions: readonly string[];
  /** In CPython 2.7 to 3.14, where it is not said otherwise. */
  readonly source: string;
}

/** Wherever they are called from: what they run of the service's own code has frames inside theirs. */
export const workLoops: readonly WorkLoop[] = [
  { file: 'selectors.py', functions: ['select'], source: 'Lib/selectors.py, 3.4 on' },
  {
    file: 'socketserver.py',
    functions: ['serve_forever', '_eintr_retry'],
    source: 'Lib/SocketServer.py, Lib/socketserver.py',
  },
  { file: 'server.py', functions: ['handle_one_request'], source: 'Lib/http/server.py, 3.0 on' },
  { file: 'basehttpserver.py', functions: ['handle_one_request'], source: 'Lib/BaseHTTPServer.py, 2.7' },
  { file: 'asyncore.py', functions: ['poll', 'poll2'], source: 'Lib/asyncore.py, up to 3.11' },
  { file: 'thread.py', functions: ['_worker'], source: 'Lib/concurrent/futures/thread.py, 3.2 on' },
  { file: 'process.py', functions: ['_process_worker'], source: 'Lib/concurrent/futures/process.py, 3.2 on' },
  {
    file: 'pool.py',
    functions: ['worker', '_handle_results', '_handle_tasks', '_handle_workers'],
    source: 'Lib/multiprocessing/pool.py',
  },
  { file: 'sched.py', functions: ['run'], source: 'Lib/sched.py' },
];

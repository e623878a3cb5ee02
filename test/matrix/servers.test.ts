import { beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../src/report/schema.ts';
import { accountFor, accountOf, type HungRequest } from '../support/account.ts';
import { analyzeProcess, misquoted } from '../support/analyze-target.ts';
import { type ShopMarks, shopMarks } from '../support/hosts/shop.ts';
import { findInterpreter, type PythonVersion, requireInterpreter } from '../support/interpreters.ts';
import { pythonPackages } from '../support/python-packages.ts';
import { type Server, type ServerRecipe, startServer } from '../support/servers.ts';

const packages = {
  '3.13': [
    'gunicorn[gevent]==27.0.1',
    'gevent==26.9.0',
    'waitress==3.0.2',
    'celery==5.5.3',
    'APScheduler==3.11.0',
    'watchdog==6.0.0',
    'sentry-sdk==2.19.2',
  ],
  '3.8': ['gunicorn==23.0.0'],
  // The last that run on 2.7.
  '2.7': ['gunicorn==19.10.0', 'gevent==20.9.0', 'greenlet==0.4.17', 'futures==3.4.0'],
} as const;
type ServedVersion = keyof typeof packages;

interface Case {
  readonly name: string;
  readonly version: PythonVersion;
  readonly recipe: ServerRecipe;
  /** Requests that hang, in this order; those of one list at a time. */
  readonly hung: readonly (readonly HungRequest[])[];
}

const recv: HungRequest = { path: '/recv', cause: 'recv', class: 'blocking-io' };
const busy: HungRequest = { path: '/busy', cause: 'busy', class: 'busy-loop' };
const deadlock: readonly HungRequest[] = [
  { path: '/deadlock-stock', cause: 'deadlock-stock', class: 'deadlock', behind: '/deadlock-cart' },
  { path: '/deadlock-cart', cause: 'deadlock-cart', class: 'deadlock', behind: '/deadlock-stock' },
];

const servers: readonly Case[] = [
  gunicorn('sync', '3.13', [[recv]]),
  gunicorn('sync', '2.7', [[recv]]),
  gunicorn('gthread', '3.13', [[...deadlock, recv], [busy]]),
  gunicorn('gthread', '3.8', [[...deadlock, recv], [busy]]),
  gunicorn('gthread', '2.7', [[...deadlock, recv], [busy]]),
  gunicorn('gevent', '3.13', [[busy]]),
  {
    name: 'uWSGI',
    version: '3.12',
    recipe: {
      requirements: ['uwsgi==2.0.31'],
      // Without the plugins that nothing here needs: a sixth of the time.
      buildEnv: { UWSGI_PROFILE: 'pyonly' },
      program: 'bin/uwsgi',
      args: socket => ['--http-socket', socket, ...'--module shop --master --threads 5 --enable-threads'.split(' ')],
    },
    hung: [[...deadlock, recv], [busy]],
  },
  {
    // The service's own program is the outermost frame of its main thread.
    name: 'waitress, of a program',
    version: '3.13',
    recipe: {
      requirements: packages['3.13'],
      args: socket => [
        '-c',
        `import shop, waitress; waitress.serve(shop.application, unix_socket=${JSON.stringify(socket)})`,
      ],
    },
    hung: [[recv]],
  },
];

/** Nobody asks them anything. */
const others: readonly {
  readonly name: string;
  readonly version: ServedVersion;
  readonly recipe: Omit<ServerRecipe, 'requirements'>;
  /** Ends of files that a thread must be found in. */
  readonly files: readonly string[];
}[] = [
  {
    name: 'Celery, prefork, of a program',
    version: '3.13',
    recipe: {
      args: () => [
        '-c',
        `import jobs; jobs.app.worker_main("worker -c 2 -l INFO --without-gossip --without-mingle".split())`,
      ],
      ready: / ready\.$/m,
    },
    files: ['kombu/connection.py', 'billiard/pool.py', 'billiard/synchronize.py', 'celery/utils/timer2.py'],
  },
  {
    name: 'libraries with threads of their own',
    version: '3.13',
    recipe: { args: () => ['-m', 'background'], ready: /^ready$/m },
    files: [
      'apscheduler/schedulers/blocking.py',
      'watchdog/observers/inotify_c.py',
      'watchdog/observers/api.py',
      'sentry_sdk/worker.py',
      'concurrent/futures/thread.py',
    ],
  },
  {
    name: 'the thread pool of gevent',
    version: '2.7',
    recipe: {
      args: () => [
        '-c',
        'import gevent, sys; gevent.get_hub().threadpool.apply(int); sys.stderr.write("ready\\n"); gevent.sleep(3600)',
      ],
      ready: /^ready$/m,
    },
    files: ['gevent/hub.py', 'gevent/threadpool.py'],
  },
];

function gunicorn(worker: string, version: ServedVersion, hung: Case['hung']): Case {
  const args = ['--worker-class', worker, '--threads', worker === 'gthread' ? '5' : '1', '--timeout', '3600'];
  return {
    name: `gunicorn, ${worker}`,
    version,
    recipe: {
      requirements: packages[version],
      args: socket => ['-m', 'gunicorn.app.wsgiapp', '--bind', `unix:${socket}`, ...args, 'shop:application'],
    },
    hung,
  };
}

let marks: ShopMarks;
beforeAll(async () => {
  marks = await shopMarks();
  const recipes = servers.map(({ version, recipe }) => ({ version, ...recipe }));
  for (const { version, requirements, buildEnv } of recipes) {
    const interpreter = findInterpreter(version);
    if (interpreter !== undefined) await pythonPackages(interpreter, requirements, buildEnv);
  }
});

describe('a server', () => {
  test.concurrent.for(servers.map(each => [each.name, each.version, each] as const))(
    '%s on Python %s is silent while it waits, and names the requests that hang',
    async ([, version, { recipe, hung }], context) => {
      await using server = await startServer(recipe, requireInterpreter(version, context));
      for (const pid of processesOf(server)) await expectSilence(pid);

      for (const requests of hung) await server.hang(requests.map(({ cause }) => cause));
      const [worker = server.pid] = server.children();
      const { report, core, remove } = await analyzeProcess(worker);
      try {
        const expected = hung.flat();
        expect(accountOf(report)).toEqual(accountFor(expected, marks));
        const classes = new Set(expected.flatMap(({ class: kind }) => kind ?? []));
        expect(classesOf(report)).toEqual([...classes].sort());
        expect(await misquoted(report, core)).toEqual([]);
      } finally {
        remove();
      }
    },
  );

  test.concurrent.for(others.map(each => [each.name, each.version, each] as const))(
    '%s on Python %s is silent while there is no work',
    async ([, version, { recipe, files }], context) => {
      const requirements = packages[version];
      await using server = await startServer({ ...recipe, requirements }, requireInterpreter(version, context));
      const seen: string[] = [];
      for (const pid of processesOf(server)) seen.push(...(await expectSilence(pid)));
      expect(files.filter(file => !seen.some(each => each.endsWith(`/${file}`)))).toEqual([]);
    },
  );

  test('gunicorn with gevent tells of the request whose greenlet waits, and its worker is idle', async context => {
    const { recipe } = gunicorn('gevent', '3.13', []);
    await using server = await startServer(recipe, requireInterpreter('3.13', context));
    await server.hang(['recv']);
    const [worker = server.pid] = server.children();
    const { report, remove } = await analyzeProcess(worker);
    remove();
    expect(report.findings).toEqual([]);
    expect(report.gaps).toEqual([]);
    expect(accountOf(report)).toEqual([]);
    const waiting = report.tasks?.find(({ request }) => request?.path === '/recv');
    expect(waiting).toMatchObject({ kind: 'greenlet', request: { method: 'GET', path: '/recv' } });
    expect(waiting?.stack).toContainEqual({
      function: marks.functionOf('recv'),
      file: marks.file,
      line: marks.line('recv'),
    });
  });
});

function processesOf({ pid, children }: Pick<Server, 'pid' | 'children'>): readonly number[] {
  return [pid, ...children()];
}

/** @returns the files of all its frames */
async function expectSilence(pid: number): Promise<readonly string[]> {
  const { report, remove } = await analyzeProcess(pid);
  remove();
  expect(report.findings).toEqual([]);
  expect(accountOf(report)).toEqual([]);
  return report.threads.flatMap(({ python }) => python.map(({ file }) => file));
}

function classesOf({ findings }: Report): readonly string[] {
  return findings.map(({ class: kind }) => kind).sort();
}

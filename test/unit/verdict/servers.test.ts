import { describe, expect, test } from 'vitest';
import { signatureOf } from '../../../src/verdict/finding.ts';
import { judge } from '../../../src/verdict/judge.ts';
import { serverThreads } from '../../../src/verdict/known/server-threads.ts';
import { serverWaits } from '../../../src/verdict/known/server-waits.ts';
import { workLoops } from '../../../src/verdict/known/work-loops.ts';
import { call, frame, futex, inputOf, standsStill, stdlib, type ThreadDraft } from './make.ts';

const site = '/usr/lib/python3/dist-packages';
const main = frame('/srv/shop/main.py:3 <module>');

/** `ROLE: CLASS, …` of the first thread. */
function judged(draft: Omit<ThreadDraft, 'lwp'>, others: readonly ThreadDraft[] = []): string {
  const { threads, findings } = judge(inputOf([{ lwp: 7, proc: standsStill, ...draft }, ...others]));
  return [threads[0]?.role, ...findings.map(({ class: kind }) => kind)].join(': ');
}

const reading = { syscall: call('recvfrom', 5n) };

describe('a server that the service’s own program has started', () => {
  test.each(serverWaits.flatMap(({ server, file, functions }) => functions.map(name => [server, file, name])))(
    '%s waits for work in %s, %s',
    (_, file, name) => {
      const frames = [frame(`${site}/${file}:9 ${name}`), main];
      expect(judged({ ...reading, frames })).toBe('idle');
      // Brought along in a folder of the service.
      expect(judged({ ...reading, frames: [frame(`/srv/shop/vendor/${file}:9 ${name}`), main] })).toBe('idle');
      expect(judged({ ...reading, frames: [frame(`${site}/not-${file}:9 ${name}`), main] })).toBe(
        'application: blocking-io',
      );
    },
  );

  test('is at work where it runs code of the service, or of a package that it only calls', () => {
    const run = frame(`${site}/gevent/hub.py:639 Hub.run`);
    expect(judged({ ...reading, frames: [frame('/srv/shop/shop.py:9 fetch'), run, main] })).toBe(
      'application: blocking-io',
    );
    expect(judged({ ...reading, frames: [frame(`${site}/requests/api.py:9 get`), run, main] })).toBe(
      'application: blocking-io',
    );
  });

  test('waits through its transport where its row says so', () => {
    const drain = frame(`${site}/kombu/connection.py:341 Connection.drain_events`);
    const transport = frame(`${site}/amqp/transport.py:9 _read`);
    expect(judged({ ...reading, frames: [transport, drain, main] })).toBe('idle');
    expect(judged({ ...reading, frames: [transport, frame('/srv/shop/shop.py:9 task'), drain, main] })).toBe(
      'application: blocking-io',
    );
  });

  test('has idle workers that wait for a bare lock, which others may not', () => {
    const waits = { syscall: futex(), waits: { address: 0x7000n } };
    expect(judged({ ...waits, frames: [frame(`${site}/gevent/_threading.py:68 wait`)] })).toBe('idle');
    expect(judged({ ...waits, frames: [frame(`${site}/shop/threading.py:68 wait`)] })).toBe('application: lock-wait');
  });

  test('waits in a loop of the standard library', () => {
    for (const { file, functions } of workLoops)
      for (const name of functions)
        expect(judged({ ...reading, frames: [frame(`${stdlib}/${file}:9 ${name}`), main] })).toBe('idle');
  });
});

describe('a server in C', () => {
  test.each(serverThreads.flatMap(({ server, functions, role }) => functions.map(name => [server, name, role])))(
    'of %s, a thread in %s is %s, with a Python thread state or without',
    (server, name, role) => {
      const native = ['libc.so.6!epoll_wait', `/usr/sbin/${server}!${name}`, 'libc.so.6!clone'];
      expect(judged({ syscall: call('epoll_wait', 5n), native })).toBe(role);
      expect(judged({ syscall: call('epoll_wait', 5n), native, frames: [] })).toBe(role);
    },
  );

  test('is silent about workers that take turns to accept', () => {
    const memory = {
      read(address: bigint, length: number) {
        // `__lock`, `__owner` and `__nusers` of a pthread_mutex_t.
        const mutex = Buffer.alloc(64);
        mutex.writeUInt32LE(2, 0);
        mutex.writeInt32LE(8, 8);
        mutex.writeInt32LE(1, 12);
        return mutex.subarray(Number(address - 0x7000n), Number(address - 0x7000n) + length);
      },
    };
    for (const syscall of [call('epoll_wait', 5n), call('restart_syscall')]) {
      const { threads, findings } = judge(
        inputOf(
          [
            { lwp: 7, frames: [], syscall: futex(), native: accepting('pthread_mutex_lock') },
            { lwp: 8, frames: [], syscall, native: accepting('epoll_wait') },
          ],
          { memory },
        ),
      );
      expect([threads[0]?.waits?.owner, ...threads.map(({ role }) => role), findings]).toEqual([8, 'idle', 'idle', []]);
    }
  });

  test('has a thread that looks after the others, which no busy loop makes one of the service’s', () => {
    const watching: ThreadDraft = {
      lwp: 8,
      frames: [],
      syscall: futex(0x6000n),
      native: ['libc.so.6!pthread_cond_timedwait', 'take_gil', 'PyGILState_Ensure', 'mod_wsgi.so!wsgi_deadlock_thread'],
    };
    const { threads, findings } = judge(
      inputOf([{ lwp: 7, frames: [frame('shop.py:9 count')], gil: true, proc: { states: ['running'] } }, watching]),
    );
    expect(findings.map(({ class: kind, victims }) => [kind, victims])).toEqual([['busy-loop', [8]]]);
    expect(threads[1]?.role).toBe('runtime');
  });
});

/** A worker of uWSGI. */
function accepting(where: string): readonly string[] {
  return [`libc.so.6!${where}`, '/usr/bin/uwsgi!wsgi_req_accept', '/usr/bin/uwsgi!simple_loop_run'];
}

describe('the signature of a cause', () => {
  const root = { lwp: 7, line: 9 };
  const signature = (name: string, file: string) => signatureOf('busy-loop', [{ ...root, function: name, file }]);

  test('is the same where one Python has qualified names and another has none', () => {
    expect(signature('Ledger.close_month', '/srv/shop.py')).toBe(signature('close_month', '/srv/shop.py'));
    expect(signature('serve.<locals>.<lambda>', '/srv/shop.py')).toBe(signature('<lambda>', '/srv/shop.py'));
    expect(signature('Café.öffnen', '/srv/shop.py')).toBe(signature('öffnen', '/srv/shop.py'));
    expect(signature('Ledger.open_month', '/srv/shop.py')).not.toBe(signature('close_month', '/srv/shop.py'));
  });

  test('is the same wherever the packages of a version lie', () => {
    expect(signature('get', '/srv/venv/lib/python3.8/site-packages/shop/stock.py')).toBe(
      signature('get', '/usr/lib/python3/dist-packages/shop/stock.py'),
    );
    expect(signature('get', '/usr/lib/python3.11/queue.py')).toBe(signature('get', '/opt/lib/python3.13/queue.py'));
    expect(signature('get', '/srv/a/stock.py')).not.toBe(signature('get', '/srv/b/stock.py'));
  });

  test('is the same for what compilers make of a C function', () => {
    expect(signature('stock_reserve.constprop.0', 'libshop.so')).toBe(signature('stock_reserve', 'libshop.so'));
  });
});

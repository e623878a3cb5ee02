import { expect, test } from 'vitest';
import { renderReport } from '../../../src/report/render.ts';
import { call, frame, futex, standsStill, type ThreadDraft } from '../verdict/make.ts';
import { reportOf } from './make.ts';

const holder: ThreadDraft = {
  lwp: 11,
  frames: [frame('/srv/shop.py:8 query')],
  syscall: call('recvfrom', 5n),
  holds: [{ address: 0xan }],
  proc: standsStill,
};
const waiter = (lwp: number, request?: NonNullable<ThreadDraft['request']>): ThreadDraft => ({
  lwp,
  frames: [frame('/srv/shop.py:30 show')],
  syscall: futex(),
  waits: { address: 0xan },
  proc: standsStill,
  ...(request && { request }),
});
const order = (query: string) => ({ method: 'GET', path: '/order', query });
const linesOf = (drafts: readonly ThreadDraft[], showQuery = false) =>
  renderReport(reportOf(drafts, { showQuery }), 'text').split('\n');
const stopsOf = (drafts: readonly ThreadDraft[], showQuery?: boolean) =>
  linesOf(drafts, showQuery).filter(line => line.startsWith('  stops '));

const several = [
  holder,
  waiter(12, { method: 'POST', path: '/pay' }),
  waiter(13, order('id=1')),
  waiter(14),
  waiter(15, order('id=2')),
];

test.each(['text', 'markdown', 'html'] as const)('the requests that a cause stops are told in %s', format => {
  const rendered = renderReport(reportOf(several), format).replaceAll('\\', '');
  expect(rendered).toContain('stops GET /order (threads 13, 15), POST /pay (thread 12)');
});

test('without their queries, also where those are shown elsewhere', () => {
  expect(stopsOf(several, true)).toEqual(['  stops GET /order (threads 13, 15), POST /pay (thread 12)']);
});

test('of its own request a cause tells at its place, and of no request nothing', () => {
  const serving = { ...holder, request: { method: 'GET', path: '/price' } };
  expect(stopsOf([serving, waiter(12)])).toEqual([]);
  expect(linesOf([serving, waiter(12)]).join('\n')).toContain('thread 11, serving GET /price');
});

test('many requests, of many threads, with long paths, are cut', () => {
  const many = Array.from({ length: 30 }, (_, index) => waiter(100 + index, { method: 'GET', path: `/${index}` }));
  expect(stopsOf([holder, ...many])).toEqual([
    `  stops ${[0, 1, 2, 3, 4, 5].map(index => `GET /${index} (thread ${100 + index})`).join(', ')} and 24 threads with other requests`,
  ]);
  const alike = Array.from({ length: 30 }, (_, index) => waiter(100 + index, order(`id=${index}`)));
  expect(stopsOf([holder, ...alike])).toEqual(['  stops GET /order (threads 100, 101, 102, 103 and 26 more)']);
  const [long] = stopsOf([holder, waiter(12, { method: 'GET', path: `/${'x'.repeat(9000)}` })]);
  expect(long).toBe(`  stops GET /${'x'.repeat(119)}… (thread 12)`);
});

test('who waits for whom names all holders of a semaphore, and doubts those who may not be all', () => {
  const permit = { address: 0x90n, kind: 'semaphore' } as const;
  const wants: ThreadDraft = {
    ...waiter(14),
    waits: { address: 0x90n, kind: 'semaphore', permits: { value: 0, initial: 2 } },
    request: { method: 'GET', path: '/orders' },
  };
  const inside = (lwp: number): ThreadDraft => ({ ...holder, lwp, holds: [permit] });
  const lineOf = (...holders: readonly ThreadDraft[]) =>
    linesOf([...holders, wants]).find(line => line.includes('semaphore 0x90'));
  expect(lineOf(inside(11), inside(12))).toBe('  - 14 show (shop.py:30) → semaphore 0x90 ← any of threads 11, 12');
  expect(lineOf(inside(11))).toBe('  - 14 show (shop.py:30) → semaphore 0x90 ← perhaps thread 11');
  expect(lineOf({ ...holder, holds: [permit, permit] })).toBe('  - 14 show (shop.py:30) → semaphore 0x90 ← thread 11');
  expect(reportOf([inside(11), inside(12), wants]).threads.at(-1)?.waits).toMatchObject({
    owner: 11,
    holders: [11, 12],
  });
});

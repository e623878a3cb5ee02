import { buildReport, type ReportInput } from '../../../src/report/build-report.ts';
import type { Report } from '../../../src/report/schema.ts';
import { judge } from '../../../src/verdict/judge.ts';
import { alwaysRunning, call, frame, futex, inputOf, standsStill, type ThreadDraft } from '../verdict/make.ts';

export const shop = ['def count_orders():', '    orders = 0', '    while True: orders += 1', '', 'count_orders()'].join(
  '\n',
);

/** A busy loop that serves a request, two threads that wait for the GIL and for its lock, a silent peer, an idle worker. */
export const severalDrafts: readonly ThreadDraft[] = [
  {
    lwp: 11,
    frames: [frame('/srv/shop.py:3 count_orders')],
    gil: true,
    holds: [{ address: 0xan }],
    native: ['_PyEval_EvalFrameDefault', 'PyEval_EvalCode'],
    proc: alwaysRunning,
    request: { method: 'GET', path: '/orders?card=4111', query: 'card=4111' },
  },
  { lwp: 12, frames: [frame('/srv/shop.py:30 show')], syscall: futex(), waits: { address: 0xan }, proc: standsStill },
  { lwp: 13, frames: [frame('/srv/price.py:7 fetch_price')], syscall: call('recvfrom', 5n), proc: standsStill },
  { lwp: 14, frames: [frame('/srv/shop.py:40 accept')], syscall: call('accept4', 3n), proc: standsStill },
];

export function reportOf(drafts: readonly ThreadDraft[], rest: Partial<ReportInput> = {}): Report {
  return buildReport({
    verdict: judge(inputOf(drafts)),
    case: '20260102-web3-11',
    host: { name: 'web3' },
    process: { pid: 11, command: ['python3', 'shop.py'], executable: '/usr/bin/python3.11', pythons: ['3.11.2'] },
    ...rest,
  });
}

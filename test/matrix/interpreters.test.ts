import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import type { Report } from '../../src/report/schema.ts';
import { analyzeTarget, misquoted } from '../support/analyze-target.ts';
import { compileC, privateDir } from '../support/cores.ts';
import {
  type PythonVersion,
  prepareInterpreters,
  pythonVersions,
  requireInterpreter,
} from '../support/interpreters.ts';
import { wrongIn } from '../support/judge-report.ts';
import { startTarget, type Target } from '../support/targets.ts';

const { dir, remove: removeDir } = privateDir();

beforeAll(async () => {
  const source = join(import.meta.dirname, '../support/programs/interpreters/elsewhere.c');
  process.env['ELSEWHERE'] = compileC(dir, 'elsewhere.so', readFileSync(source, 'utf8'), ['-shared', '-fPIC']);
  await prepareInterpreters();
});
afterAll(removeDir);

describe.each(pythonVersions)('on CPython %s', version => {
  test.concurrent('a thread inside two interpreters has the frames of both, the inner ones first', async context => {
    await judged('nested', version, context, ({ report, thread, lwp }) => {
      const serving = thread('serve');
      expect(placesIn(serving).slice(0, 4)).toEqual(['back_off 1', '<module> 1', 'nested 0', 'serve 0']);
      expect(
        new Set(
          placesIn(serving)
            .slice(4)
            .map(place => place.at(-1)),
        ),
      ).toEqual(new Set(['0']));
      // The lock of the outer one, the wait of the inner one.
      expect(serving).toMatchObject({ holds: [{ kind: 'python-lock' }], waits: { kind: 'sleep' }, gil: 'none' });
      expect(report.findings).toMatchObject([{ class: 'sleep', confidence: 'proven', victims: [lwp('audit')] }]);
      expect(report.gaps.filter(({ what }) => what.startsWith('order of'))).toEqual([]);
    });
  });

  test.concurrent('calls to and fro between two interpreters are put in their order', async context => {
    await judged('there_and_back', version, context, ({ thread }) => {
      expect(placesIn(thread('load_user_by_render')).slice(0, 7)).toEqual([
        'load_user 0',
        '<module> 0',
        'back 1',
        'render 1',
        '<module> 1',
        'nested 0',
        'load_user_by_render 0',
      ]);
    });
  });

  test.concurrent('the empty state that a thread has in the main interpreter does not hide the other', async context => {
    await judged('foreign', version, context, ({ report, thread, lwp }) => {
      expect(placesIn(thread('fetch_price'))).toEqual(['fetch_price 1', '<module> 1']);
      expect(report.interpreters?.map(({ id, threads }) => [id, threads.includes(lwp('fetch_price'))])).toEqual([
        [0, true],
        [1, true],
      ]);
    });
  });

  test.concurrent('one GIL for two interpreters: who keeps it in one stops the threads of the other', async context => {
    await judged('shared_gil', version, context, ({ report, thread, lwp, lwps }) => {
      expect(thread('report').gil).toBe('holds');
      const waiters = lwps('tick');
      const asked = seesRequest[version];
      const own = (is: boolean) => (hasOwnGils(version) ? { own: is } : {});
      expect(report.interpreters?.map(({ id, gil }) => ({ id, gil }))).toEqual([
        { id: 0, gil: { holder: lwp('report'), waiters, ...asked, ...own(true) } },
        { id: 1, gil: { holder: lwp('report'), waiters, ...asked, ...own(false) } },
      ]);
      expect(report.findings[0]?.victims).toEqual(waiters);
    });
  });
});

// Before 3.9 and from 3.13 on its holder hears of the wait, and the two take turns.
describe.each(['3.9', '3.10', '3.11', '3.12'] as const)('on CPython %s', version => {
  test.concurrent('a loop in one interpreter stops the threads of the other, who ask in vain', async context => {
    await judged('spin', version, context, ({ report, lwp, lwps }) => {
      const victims = lwps('tick');
      expect(report.findings).toMatchObject([{ class: 'busy-loop', victims }]);
      expect(report.interpreters?.[0]?.gil).toMatchObject({
        holder: lwp('spin'),
        waiters: victims,
        dropRequested: false,
      });
      expect(report.findings[0]?.evidence).toContainEqual(
        expect.objectContaining({ text: expect.stringContaining('not asked to give it up'), value: '0x0' }),
      );
    });
  });
});

describe.each(pythonVersions.filter(hasOwnGils))('on CPython %s', version => {
  test.concurrent('who keeps the GIL of one interpreter stops its threads and no other', async context => {
    await judged('own_gil', version, context, ({ report, thread, lwp }) => {
      expect(placesIn(thread('serve')).slice(0, 4)).toEqual(['report 1', '<module> 1', 'run_isolated 0', 'serve 0']);
      expect(thread('serve').gil).toBe('holds');
      const inner = report.threads.find(({ python }) => python[0]?.function === 'inner_tick');
      expect(inner?.waits).toMatchObject({ kind: 'gil', owner: lwp('serve') });
      expect(report.interpreters?.find(({ id }) => id === 1)?.gil).toEqual({
        holder: lwp('serve'),
        waiters: [inner?.lwp],
        dropRequested: true,
        evalBreaker: true,
        own: true,
      });
      expect(report.interpreters?.find(({ id }) => id === 0)?.gil?.holder).not.toBe(lwp('serve'));
      expect(report.findings.map(({ victims }) => victims)).toEqual([[inner?.lwp]]);
    });
  });
});

/** 3.9 to 3.12 put the request to the waiter's own interpreter, so that a holder in another one does not see it (take_gil). */
const seen = { dropRequested: true, evalBreaker: true };
const unseen = { dropRequested: false, evalBreaker: false };
const seesRequest: Readonly<Record<PythonVersion, object>> = {
  '2.7': {},
  '3.6': seen,
  '3.7': seen,
  '3.8': seen,
  '3.9': unseen,
  '3.10': unseen,
  '3.11': unseen,
  '3.12': unseen,
  '3.13': seen,
  '3.14': seen,
};

function hasOwnGils(version: PythonVersion): boolean {
  return Number(version.split('.')[1]) >= 12;
}

type Thread = Report['threads'][number];

interface Judged {
  readonly report: Report;
  /** LWPs of the threads that were started for a function, ascending. */
  readonly lwps: (startedFor: string) => readonly number[];
  readonly lwp: (startedFor: string) => number;
  readonly thread: (startedFor: string) => Thread;
}

/** Judges a program as its marks say, and then as the test does. */
async function judged(
  program: string,
  version: PythonVersion,
  context: TestContext,
  check: (judged: Judged) => void,
): Promise<void> {
  const interpreter = requireInterpreter(version, context);
  await using target = await startTarget(`interpreters/${program}`, interpreter);
  const { report, core, remove } = await analyzeTarget(target, interpreter);
  try {
    expect(wrongIn(report, target.truth)).toEqual([]);
    expect(await misquoted(report, core)).toEqual([]);
    check(lookIn(report, target));
  } finally {
    remove();
  }
}

function lookIn(report: Report, { truth }: Target): Judged {
  const lwps = (name: string) =>
    truth.threads
      .filter(({ startedFor }) => startedFor === name)
      .map(({ lwp }) => lwp)
      .sort((left, right) => left - right);
  const lwp = (name: string) => {
    const [only] = lwps(name);
    if (only === undefined) throw new Error(`no thread was started for ${name}`);
    return only;
  };
  const thread = (name: string) => {
    const found = report.threads.find(each => each.lwp === lwp(name));
    if (found === undefined) throw new Error(`the report has no thread of ${name}`);
    return found;
  };
  return { report, lwps, lwp, thread };
}

/** `function interpreter`, innermost first, functions by their short names. */
function placesIn({ python }: Thread): readonly string[] {
  return python.map(({ function: name, interpreter }) => `${name.split('.').at(-1)} ${interpreter}`);
}

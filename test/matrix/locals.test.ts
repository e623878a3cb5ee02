import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { analyze } from '../../src/analyze.ts';
import { indexElfFiles } from '../../src/corefile/index-files.ts';
import { renderHtml } from '../../src/report/render-html.ts';
import { renderJson } from '../../src/report/render-json.ts';
import { renderMarkdown } from '../../src/report/render-markdown.ts';
import { renderText } from '../../src/report/render-text.ts';
import type { Report } from '../../src/report/schema.ts';
import { takeCore } from '../support/analyze-target.ts';
import { type Interpreter, prepareInterpreters, pythonVersions, requireInterpreter } from '../support/interpreters.ts';
import { startValueTarget } from '../support/value-target.ts';

const told = z.object({
  lwp: z.int(),
  frames: z.array(
    z.object({
      function: z.string(),
      /** null where the program has no word for it. */
      locals: z.record(z.string(), z.string().nullable()),
      arguments: z.array(z.string()),
    }),
  ),
});

beforeAll(() => prepareInterpreters());

test.concurrent.for(pythonVersions)(
  'on CPython %s each frame has the variables that the program says it has, none of its secrets, and none unasked',
  async (version, context) => {
    const interpreter = requireInterpreter(version, context);
    await using target = await startValueTarget('locals', interpreter, told);
    // From its word to its sleep.
    await sleep(200);
    const core = await takeCore(target.pid, interpreter.root === undefined ? {} : { root: interpreter.root });
    const [asked, unasked] = await Promise.all([true, false].map(locals => reportOf(core.path, interpreter, locals)));
    core.remove();
    if (asked === undefined || unasked === undefined) throw new Error('no report');
    expect(asked.gaps.filter(({ what }) => what.startsWith('local'))).toEqual([]);
    for (const render of [renderJson, renderText, renderMarkdown, renderHtml]) {
      expect(render(asked)).toContain('mq.example');
      expect(render(asked)).not.toMatch(/canary/i);
      expect(render(unasked)).not.toMatch(/canary|mq\.example/i);
    }
    expect(renderJson(unasked)).not.toContain('"locals"');
    const { python = [] } = asked.threads.find(({ lwp }) => lwp === target.pid) ?? {};
    for (const { function: name, locals, arguments: expected } of target.told.frames) {
      const frame = python.find(({ function: called }) => called.split('.').at(-1) === name.split('.').at(-1));
      const shown = new Map(frame?.locals?.map(local => [local.name, local]));
      expect([...shown.keys()].toSorted(), name).toEqual(Object.keys(locals).toSorted());
      const compared = Object.keys(locals).filter(variable => locals[variable] !== null);
      const seen = compared.map(variable => [variable, shown.get(variable)?.value]);
      expect(Object.fromEntries(seen), name).toEqual(
        Object.fromEntries(compared.map(variable => [variable, locals[variable]])),
      );
      const marked = [...shown.values()].filter(({ argument }) => argument === true);
      expect(marked.map(local => local.name).toSorted(), name).toEqual(expected.toSorted());
    }
  },
);

function reportOf(core: string, { root }: Interpreter, locals: boolean): Promise<Report> {
  const folders = root === undefined ? [] : [`${root}/usr`];
  const options = { findFiles: () => indexElfFiles(folders), searched: folders, native: false, hash: false };
  return analyze({ core, case: 'test', host: { name: 'test' } }, { ...options, showQuery: false, locals });
}

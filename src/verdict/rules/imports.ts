import type { Finding } from '../finding.ts';
import type { WaitGraph } from '../wait-graph.ts';
import { enumerate, evidenceOf, named } from './rule.ts';

/** Threads whose evidence is given in full. */
const shownThreads = 3;

/** The finding, which also says who of its threads waits for the import of which module. */
export function withImports({ threads }: WaitGraph, finding: Finding): Finding {
  const lwps = [...finding.roots.map(({ lwp }) => lwp), ...finding.victims];
  const importing = lwps.flatMap(lwp => {
    const thread = threads.get(lwp);
    return thread?.waits?.module === undefined ? [] : [{ thread, module: thread.waits.module, waits: thread.waits }];
  });
  if (importing.length === 0) return finding;
  const modules = enumerate([...new Set(importing.map(({ module }) => module))]);
  const evidence = importing
    .slice(0, shownThreads)
    .flatMap(({ thread, waits }) => evidenceOf(thread, waits.evidence))
    .filter(({ text }) => !finding.evidence.some(known => known.text === text));
  return {
    ...finding,
    summary: `${finding.summary}; ${named(importing.map(({ thread }) => thread))} ${importing.length === 1 ? 'waits' : 'wait'} to import ${modules}`,
    evidence: [...finding.evidence, ...evidence],
  };
}

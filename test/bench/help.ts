import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, run, runbook, say, timed } from './measure.ts';

const rounds = 9;

/** How soon the command line answers, beside Node alone; and that nothing is loaded for that which executes a run. */
export async function benchHelp(): Promise<void> {
  const times: { readonly help: number[]; readonly node: number[] } = { help: [], node: [] };
  for (let round = 0; round <= rounds; round++) {
    const [help, node] = [
      await timed(() => run(runbook, ['--help'])),
      await timed(() => run(process.execPath, ['--eval', '0'])),
    ];
    if (round === 0) continue;
    times.help.push(help.seconds);
    times.node.push(node.seconds);
  }
  const modules = await loadedModules();
  const engine = modules.filter(isOfEngine);
  say(`runbook --help      ${milliseconds(times.help)}`);
  say(`node --eval 0       ${milliseconds(times.node)} (median of ${rounds} each, turn about)`);
  say(
    `loaded              ${modules.length} modules; of the engine: ${engine.length === 0 ? 'none' : engine.join(' ')}`,
  );
}

/** URLs, each once. */
async function loadedModules(): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-bench-'));
  try {
    const list = join(folder, 'modules');
    const hook = import.meta.resolve('./loaded-modules.ts');
    await run(runbook, ['--help'], { env: { NODE_OPTIONS: `--import=${hook}`, LOADED_MODULES: list } });
    return [...new Set((await readFile(list, 'utf8')).trimEnd().split('\n'))];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What executes runbooks, the step kinds, and the libraries that only they need. */
function isOfEngine(url: string): boolean {
  return (
    url === 'node:sqlite' ||
    /\/src\/(run|runbook|steps|ssh)\/|\/node_modules\/(yaml|zod|ssh2|node-ssh|@marcbachmann)\//.test(url)
  );
}

function milliseconds(values: readonly number[]): string {
  return `${Math.round(median(values) * 1000)} ms`;
}

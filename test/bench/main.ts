import { benchAnsible } from './ansible.ts';
import { benchEngine } from './engine.ts';
import { benchHelp } from './help.ts';
import { say } from './measure.ts';
import { benchPrepare } from './prepare.ts';
import { benchPython } from './python.ts';
import { benchStacks } from './stacks.ts';

interface Part {
  readonly summary: string;
  readonly act: () => Promise<void>;
}

/** `npm run bench` runs all of them in turn, `npm run bench -- engine help` those that are named. */
const parts: ReadonlyMap<string, Part> = new Map([
  ['help', { summary: 'how soon the command line answers', act: benchHelp }],
  ['engine', { summary: 'what running a runbook costs beside its steps', act: benchEngine }],
  ['ansible', { summary: 'trivial commands on 25 hosts, beside ansible-core', act: benchAnsible }],
  ['prepare', { summary: 'preparing 25 hosts, beside ansible-core; all checks on 100', act: benchPrepare }],
  [
    'python',
    { summary: 'Python stacks and causes of cores of every version, beside pystack, py-spy and gdb', act: benchPython },
  ],
  ['stacks', { summary: 'Python stacks of a core, beside gdb', act: benchStacks }],
]);

async function bench(names: readonly string[]): Promise<void> {
  if (names.includes('--help')) {
    for (const [name, { summary }] of parts) say(`${name.padEnd(10)}${summary}`);
    return;
  }
  const unknown = names.find(name => !parts.has(name));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}": ${[...parts.keys()].join(', ')}`);
  for (const [name, { act }] of parts) {
    if (names.length > 0 && !names.includes(name)) continue;
    say(`\n${name}`);
    await act();
  }
}

await bench(process.argv.slice(2));

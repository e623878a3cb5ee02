import { benchAnsible } from './ansible.ts';
import { benchEngine } from './engine.ts';
import { benchHelp } from './help.ts';
import { say } from './measure.ts';
import { benchStacks } from './stacks.ts';

/** `npm run bench` runs all of them in turn, `npm run bench -- engine help` those that are named. */
const parts: ReadonlyMap<string, () => Promise<void>> = new Map([
  ['help', benchHelp],
  ['engine', benchEngine],
  ['ansible', benchAnsible],
  ['stacks', benchStacks],
]);

async function bench(names: readonly string[]): Promise<void> {
  const unknown = names.find(name => !parts.has(name));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}": ${[...parts.keys()].join(', ')}`);
  for (const [name, part] of parts) {
    if (names.length > 0 && !names.includes(name)) continue;
    say(`\n${name}`);
    await part();
  }
}

await bench(process.argv.slice(2));

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');

const project = z.object({
  name: z.literal('hangar'),
  main: z.string(),
  runtime: z.object({ name: z.literal('nodejs'), options: z.object({ typescript: z.literal(false) }) }),
});

test("Pulumi's project file names a program that is there, and no compiler", async () => {
  const { main } = project.parse(parse(await readFile(join(root, 'Pulumi.yaml'), 'utf8')));
  expect(existsSync(join(root, main))).toBe(true);
});

test('a Node that cannot run it says which can, in one sentence', context => {
  const node = oldNode();
  context.skip(node === undefined, 'every Node on PATH runs TypeScript');
  const start = `import(${JSON.stringify(join(root, 'infra/index.mjs'))}).then(m => m.default()).catch(e => console.log(e.message))`;
  const said = execFileSync(node ?? 'node', ['-e', start], { encoding: 'utf8', env: { PATH: process.env['PATH'] } });
  expect(said).toMatch(/^Node \d+\.\d+\.\d+ runs no TypeScript, which takes 22\.18 or later: .*: npm run up\n$/);
});

function oldNode(): string | undefined {
  const places = (process.env['PATH'] ?? '').split(':').map(folder => join(folder, 'node'));
  return places.find(path => existsSync(path) && !runsTypeScript(path));
}

function runsTypeScript(node: string): boolean {
  const asked = execFileSync(node, ['-p', 'Boolean(process.features.typescript)'], { encoding: 'utf8' });
  return asked.trim() === 'true';
}

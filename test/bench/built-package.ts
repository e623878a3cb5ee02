import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './measure.ts';

const root = join(import.meta.dirname, '..', '..');

/**
 * The package as a user has it: built, packed, and unpacked beside what npm would install with it.
 * @returns path of its `runbook`
 */
export async function installPackage(folder: string): Promise<string> {
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root });
  const [archive = ''] = (await readdir(folder)).filter(name => name.endsWith('.tgz'));
  const modules = join(folder, 'node_modules');
  const installed = join(modules, 'hangar');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, archive), '-C', installed, '--strip-components=1']);
  for (const name of await readdir(join(root, 'node_modules')))
    if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(modules, name));
  return join(installed, 'bin', 'runbook');
}

import { cpSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';

// What the compiled package reads beside its code, where its code looks for it.
const root = join(dirname(import.meta.filename), '..');
for (const file of [...globSync('src/**/*.{sh,py}', { cwd: root }), 'runbooks'])
  cpSync(join(root, file), join(root, 'dist', file), { recursive: true });

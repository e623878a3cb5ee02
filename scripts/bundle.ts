import { isAscii } from 'node:buffer';
import { copyFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';

/*
 * The compiled command line as few files: Node then looks up, reads and links a handful of modules in the place of more
 * than a hundred, which takes longer than to read a core. CommonJS, because that is started without the loader of ES
 * modules, and takes what it needs of Node's own modules and not each of their exports.
 */
const root = join(dirname(import.meta.filename), '..');
const compiled = join(root, 'dist', 'src');
const target = join(root, 'dist', 'cli');

/** What every command loads, and has no dependencies of its own; the others stay packages. */
const included = /^commander$/;

/** Node makes its own modules as they are asked for; a default import asks for all that they have, this one is seldom used. */
const seldom = 'node:child_process';

const bundle = await rolldown({
  input: join(compiled, 'cli', 'main.js'),
  platform: 'node',
  external: (id, importer) => importer !== undefined && !/^[./]/.test(id) && !included.test(id),
  plugins: [
    {
      name: 'default-imports',
      transform(code) {
        return code.replaceAll(/^import (\w+) from '(node:\w+)';$/gm, (_, local, builtin) =>
          builtin === seldom
            ? `const ${local} = { spawn: (...args) => process.getBuiltinModule('${builtin}').spawn(...args) };`
            : `const ${local} = ${builtin === 'node:process' ? 'globalThis.process' : `globalThis.process.getBuiltinModule('${builtin}')`};`,
        );
      },
    },
    {
      // What the code reads beside itself stays where it is.
      name: 'own-places',
      transform(code, id) {
        if (!id.startsWith(compiled) || !code.includes('import.meta.')) return undefined;
        const url = `new URL(${JSON.stringify(relative(target, id))}, import.meta.url)`;
        const place = `process.getBuiltinModule('node:url').fileURLToPath(new URL('.', ${url}))`;
        return code.replaceAll(/import\.meta\.(url|dirname)/g, (_, name) => (name === 'url' ? url : place));
      },
    },
  ],
});
// Names that change with the contents: what was compiled of one build is never taken for another's.
const { output } = await bundle.write({
  dir: target,
  format: 'cjs',
  // In ASCII a character is a byte: nothing has to be decoded. Lines stay as they are, for stack traces.
  comments: false,
  minify: { compress: false, mangle: false, codegen: { removeWhitespace: false, asciiOnly: true } },
  entryFileNames: '[name]-[hash].cjs',
  chunkFileNames: '[name]-[hash].cjs',
});
for (const part of output)
  if (part.type === 'chunk' && !isAscii(Buffer.from(part.code))) throw new Error(`${part.fileName} is not ASCII`);
const entry = output.find(part => part.type === 'chunk' && part.isEntry)?.fileName;
if (entry === undefined) throw new Error('the bundle has no entry');

const start = await rolldown({
  input: join(compiled, 'cli', 'start.js'),
  platform: 'node',
  external: /^node:/,
  plugins: [{ name: 'entry', transform: code => code.replace("'main.cjs'", JSON.stringify(entry)) }],
});
await start.write({ dir: target, format: 'cjs', entryFileNames: 'start.cjs' });

copyFileSync(join(root, 'node_modules', 'commander', 'LICENSE'), join(target, 'commander.LICENSE'));

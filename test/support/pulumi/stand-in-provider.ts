import { main, type Provider } from '@pulumi/pulumi/provider/index.js';
import { type Connection, execute } from './stand-in-ssh.ts';

/**
 * Stand-in for the provider of @pulumi/command 1.2.1, of which tests need `remote.Command` alone. It does execute over
 * SSH. As in the real one every changed input is an update in place, which runs `update` or else `create`; `triggers`
 * replace; deletion runs `delete`, and without one asks nobody; there is no Read.
 */
const provider: Provider = {
  version: '1.2.1',
  async check(_urn, _olds, news) {
    return { inputs: news };
  },
  async diff(_id, _urn, olds, news) {
    const changed = inputNames.filter(name => text(plain(olds)[name]) !== text(plain(news)[name]));
    return { changes: changed.length > 0, replaces: changed.filter(name => name === 'triggers') };
  },
  async create(urn, inputs) {
    const id = `stand-in-${Buffer.from(urn).toString('hex').slice(-16)}`;
    return { id, outs: { ...plain(inputs), ...(await run(plain(inputs).create, inputs)) } };
  },
  async update(_id, _urn, _olds, news) {
    const { update, create } = plain(news);
    return { outs: { ...plain(news), ...(await run(update ?? create, news)) } };
  },
  async delete(_id, _urn, props) {
    await run(plain(props).delete, props);
  },
};

const inputNames = [
  'addPreviousOutputInEnv',
  'connection',
  'create',
  'delete',
  'environment',
  'logging',
  'stdin',
  'triggers',
  'update',
] as const;

interface Inputs {
  readonly connection?: Connection;
  readonly create?: string;
  readonly update?: string;
  readonly delete?: string;
  readonly stdin?: string;
  readonly [name: string]: unknown;
}

async function run(command: string | undefined, inputs: unknown): Promise<{ stdout: string; stderr: string }> {
  const { connection, stdin = '' } = plain(inputs);
  if (command === undefined || connection === undefined) return { stdout: '', stderr: '' };
  const { exit, stdout, stderr } = await execute(connection, command, stdin);
  // The real one's words, output and all.
  if (exit !== 0)
    throw new Error(`Process exited with status ${exit}: running ${JSON.stringify(command)}:\n${stdout}${stderr}`);
  return { stdout: stdout.replace(/\n$/, ''), stderr: stderr.replace(/\n$/, '') };
}

/** Properties without the wrapping that marks secrets; the engine keeps in mind which they were. */
function plain(value: unknown): Inputs {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the engine's values have the shape of the inputs
  return unwrap(value) as Inputs;
}

const secretMark = '4dabf18193072939515e22adb298388d';

function unwrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrap);
  if (typeof value !== 'object' || value === null) return value;
  if (secretMark in value && 'value' in value) return unwrap(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unwrap(each)]));
}

function text(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) =>
      typeof each === 'object' && each !== null && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
        : each,
    ) ?? ''
  );
}

await main(provider, process.argv.slice(2));

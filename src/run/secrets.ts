import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { HangarError, messageOf } from '../errors.ts';
import { kebabCase } from '../runbook/names.ts';
import type { ParamValues, Runbook } from '../runbook/runbook.ts';

/** Params with their secrets looked up, and the secrets, for the mask. */
export interface Resolved {
  readonly params: ParamValues;
  readonly secrets: readonly string[];
}

/** Shorter ones would be masked out of everything else, too. */
const leastLength = 4;

/**
 * Looks up what secret params refer to: `env:NAME`, `file:PATH`, `cmd:COMMAND`. They are never kept.
 * @throws HangarError `SECRET_UNAVAILABLE` with every one that cannot be had
 */
export async function resolveSecrets<Context>(
  runbook: Runbook<Context>,
  params: ParamValues,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Resolved> {
  const problems: string[] = [];
  const found: Record<string, string> = {};
  for (const [name, reference] of Object.entries(params)) {
    if (runbook.params.get(name)?.type !== 'secret') continue;
    try {
      const secret = await lookUp(String(reference), env);
      if (secret.length < leastLength) throw new Error(`it has fewer than ${leastLength} characters`);
      found[name] = secret;
    } catch (error) {
      problems.push(`--${kebabCase(name)} ${String(reference)}: ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) throw unavailable(problems);
  return { params: { ...params, ...found }, secrets: Object.values(found) };
}

async function lookUp(reference: string, env: NodeJS.ProcessEnv): Promise<string> {
  const [source = ''] = reference.split(':', 1);
  const rest = reference.slice(source.length + 1);
  switch (source) {
    case 'env': {
      const value = env[rest];
      if (value === undefined || value === '') throw new Error(`the environment variable ${rest} is not set`);
      return value;
    }
    case 'file':
      return withoutLineEnd(await readFile(rest, 'utf8'));
    case 'cmd':
      return withoutLineEnd(await outputOf(rest));
    default:
      throw new Error('a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND');
  }
}

const commandSeconds = 60;

/** Its stderr is not shown: it might quote the secret. */
function outputOf(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', command], { timeout: commandSeconds * 1000 }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else
        reject(new Error(error.killed ? `it did not end within ${commandSeconds} s` : `it ended with ${error.code}`));
    });
  });
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function unavailable(problems: readonly string[]): HangarError {
  return new HangarError({
    code: 'SECRET_UNAVAILABLE',
    message: problems.join('\n'),
    fix: 'set the variable, or name another source: env:NAME, file:PATH, cmd:COMMAND',
    failure: 'usage',
  });
}

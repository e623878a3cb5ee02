import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HangarError } from '../errors.ts';
import type { Fleet } from './fleet.ts';
import { parseFleet } from './load-fleet.ts';

/** The stack that `[DIR/]pulumi:STACK` names, and where it is asked for; undefined for the path of a file. */
export function stackOf(fleet: string): { readonly stack: string; readonly from?: string } | undefined {
  const [, from, stack] = /^(?:(.*)\/)?pulumi:(.+)$/.exec(fleet) ?? [];
  if (stack === undefined) return undefined;
  return { stack, ...(from !== undefined && { from: from || '/' }) };
}

/**
 * The inventory that a stack of the nearest Pulumi project has as its output `fleet`, checked like a file. Its path is
 * the project's, so that a run finds it again, and runbooks beside it.
 * @throws HangarError `NO_PULUMI`, `NO_SUCH_STACK`, `PULUMI_LOGIN`, `PULUMI_FAILED`, `NO_FLEET_OUTPUT`, `INVALID_FLEET`
 */
export async function loadPulumiFleet(
  stack: string,
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Fleet> {
  const project = projectAbove(cwd) ?? resolve(cwd);
  const output = fleetOf(stack, await stackOutputs(stack, project, env));
  const fleet = await parseFleet(`pulumi:${stack}`, JSON.stringify(output, null, 2));
  return { ...fleet, path: join(project, `pulumi:${stack}`) };
}

function projectAbove(from: string): string | undefined {
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    if (['Pulumi.yaml', 'Pulumi.yml', 'Pulumi.json'].some(name => existsSync(join(directory, name)))) return directory;
    if (dirname(directory) === directory) return undefined;
  }
}

function stackOutputs(stack: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const args = ['stack', 'output', '--json', '--non-interactive', '--stack', stack];
  return new Promise((done, reject) => {
    execFile('pulumi', args, { cwd, env, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }, (cause, stdout, stderr) => {
      if (cause === null) done(stdout);
      else reject(explain(stack, cause, stderr));
    });
  });
}

function explain(stack: string, cause: Error, stderr: string): HangarError {
  const failure = { failure: 'usage', cause } as const;
  if ('code' in cause && cause.code === 'ENOENT')
    return new HangarError({
      ...failure,
      code: 'NO_PULUMI',
      message: `"pulumi:${stack}" needs the Pulumi CLI, and there is no "pulumi" on PATH`,
      fix: 'install it (https://www.pulumi.com/docs/install), or name a file: --fleet FILE',
    });
  if (/no stack named|could not find stack|stack .*not found/i.test(stderr))
    return new HangarError({
      ...failure,
      code: 'NO_SUCH_STACK',
      message: `there is no stack "${stack}"`,
      fix: 'see which there are: pulumi stack ls --all',
    });
  if (/PULUMI_ACCESS_TOKEN|pulumi login|not logged in/i.test(stderr))
    return new HangarError({
      ...failure,
      code: 'PULUMI_LOGIN',
      message: `"pulumi:${stack}" cannot be read: Pulumi is not logged in`,
      fix: 'log in to where the stack lies: pulumi login',
    });
  return new HangarError({
    ...failure,
    code: 'PULUMI_FAILED',
    message: `"pulumi:${stack}" cannot be read: ${said(stderr)}`,
    fix: `see why: pulumi stack output --stack ${stack}`,
  });
}

/** The last line of what Pulumi said, which is the error itself. */
function said(stderr: string): string {
  return (
    stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^error: /, '') || 'pulumi stack output failed'
  );
}

function fleetOf(stack: string, text: string): unknown {
  const outputs: unknown = JSON.parse(text);
  if (typeof outputs === 'object' && outputs !== null && 'fleet' in outputs) return outputs.fleet;
  throw new HangarError({
    code: 'NO_FLEET_OUTPUT',
    message: `the stack "${stack}" has no output "fleet"`,
    fix: `bring it up with this project's program: pulumi up --stack ${stack}`,
    failure: 'usage',
  });
}

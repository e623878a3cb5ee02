import { findFleetFile } from '../fleet/find-fleet-file.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { loadFleet } from '../fleet/load-fleet.ts';
import { loadPulumiFleet, stackOf } from '../fleet/pulumi-fleet.ts';
import type { GlobalOptions, Io } from './io.ts';

/**
 * The inventory that `--fleet` names, a file or `pulumi:STACK`, else fleet.yaml found upwards from here; undefined: ssh
 * destinations as they are.
 */
export async function openFleet(
  { fleet }: Pick<GlobalOptions, 'fleet'>,
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
): Promise<Fleet | undefined> {
  const named = fleet === undefined ? undefined : stackOf(fleet);
  if (named !== undefined) return loadPulumiFleet(named.stack, named.from ?? cwd, env);
  const path = fleet ?? findFleetFile(cwd);
  return path === undefined ? undefined : loadFleet(path);
}

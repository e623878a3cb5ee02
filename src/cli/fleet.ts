import { findFleetFile } from '../fleet/find-fleet-file.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { loadFleet } from '../fleet/load-fleet.ts';
import type { GlobalOptions, Io } from './io.ts';

/** The inventory that `--fleet` names, else fleet.yaml found upwards from here; undefined: ssh destinations as they are. */
export async function openFleet(
  { fleet }: Pick<GlobalOptions, 'fleet'>,
  { cwd }: Pick<Io, 'cwd'>,
): Promise<Fleet | undefined> {
  const path = fleet ?? findFleetFile(cwd);
  return path === undefined ? undefined : loadFleet(path);
}

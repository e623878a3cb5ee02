import type { Fleet } from '../fleet/fleet.ts';
import type { Schedule } from '../fleet/schedules.ts';
import { selectHosts } from '../fleet/select-hosts.ts';
import type { RunStore } from '../run/run-store.ts';

/** Runs that are looked through: somebody who asks for more than the last ones does not wait for serve to start. */
const lookedAt = 200;

/**
 * When the runbook of a schedule last ran on its hosts, by whatever started it (a timer, somebody's hand); ISO 8601 UTC.
 * Undefined where it never did, or with other params than the schedule's.
 */
export async function lastRunOf(
  { runbook, host, params }: Schedule,
  fleet: Fleet,
  store: Pick<RunStore, 'list' | 'read'>,
): Promise<string | undefined> {
  // What a run keeps are values of the params' types, not what was typed.
  if (Object.keys(params).length > 0) return undefined;
  const name = runbook.replace(/^.*\//, '').replace(/\.ya?ml$/, '');
  const hosts = selectHosts(fleet, { host: [host], except: [] }).map(each => each.name);
  const mayBeIt = (await store.list()).filter(id => id.includes(`-${name}-`)).slice(0, lookedAt);
  for (const id of mayBeIt) {
    const request = await store.read(id).then(
      record => record?.request,
      () => undefined,
    );
    if (request?.runbook === name && JSON.stringify(request.hosts) === JSON.stringify(hosts)) return request.startedAt;
  }
  return undefined;
}

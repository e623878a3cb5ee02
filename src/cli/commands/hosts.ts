import { messageOf } from '../../errors.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import type { Host } from '../../fleet/host.ts';
import { selectHosts } from '../../fleet/select-hosts.ts';
import { openSession } from '../../ssh/open-session.ts';
import { openFleet } from '../fleet.ts';
import { printJson, printResult } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { table } from '../table.ts';

interface Reach {
  readonly name: string;
  readonly address: string;
  readonly services: readonly string[];
  readonly reachable: boolean;
  readonly why?: string;
  readonly fix?: string;
}

export const hostsCommand: CommandSpec = {
  declare: command =>
    command
      .option('--host <selector...>', 'name, web*, role=web, all', ['all'])
      .option('--except <selector...>', 'leave these out', []),
  async run(command, options, io) {
    const fleet = await openFleet(options, io);
    const { host, except } = command.opts<{ host: string[]; except: string[] }>();
    const reached = await Promise.all(selectHosts(fleet, { host, except }).map(each => reach(each, fleet, io.signal)));
    if (options.format === 'json') printJson({ schema: 'hangar.hosts/1', hosts: reached }, options, io);
    else printResult(asTable(reached), options, io);
    return reached.every(({ reachable }) => reachable) ? 0 : 5;
  },
};

async function reach(host: Host, fleet: Fleet | undefined, signal: AbortSignal): Promise<Reach> {
  const known = {
    name: host.name,
    address: host.address ?? host.name,
    services: host.services.map(({ name }) => name),
  };
  try {
    const session = await openSession(host, { ...(fleet && { fleet }), signal });
    await session.close();
    return { ...known, reachable: true };
  } catch (error) {
    const fix = error instanceof Error && 'fix' in error ? { fix: String(error.fix) } : {};
    return { ...known, reachable: false, why: messageOf(error), ...fix };
  }
}

function asTable(hosts: readonly Reach[]): string {
  const rows = hosts.map(({ name, address, services, reachable, why }) => [
    name,
    address,
    services.join(', '),
    reachable ? 'reachable' : `not reachable: ${why}`,
  ]);
  return table(['host', 'address', 'services', 'state'], rows);
}

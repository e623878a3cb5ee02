import { z } from 'zod';
import type { Host, HostName } from './host.ts';
import { type Profile, profileSchema } from './profile.ts';

/** The inventory: which hosts there are, and what each is to have. */
export interface Fleet {
  /** Where it was read. */
  readonly path: string;
  /** In the order of the file. */
  readonly hosts: ReadonlyMap<HostName, Host>;
  readonly approvals: FleetFile['approvals'];
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly schedules: FleetFile['schedules'];
}

const text = z.string().min(1);
const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a host name has letters, digits, ".", "_" and "-"');
const become = z.enum(['sudo', 'none']);
const port = z.int().min(1).max(65_535);

const service = z
  .strictObject({
    name: text,
    check: text.optional().describe('URL or command asked on the host: answers within its limit, or not'),
    match: text.optional().describe("narrows the service's processes by a substring of their command line"),
    restart: text.optional().describe('command that restarts it, where neither systemctl nor `service` does'),
  })
  .describe('a service of the host');

const login = {
  user: text.optional(),
  port: port.optional(),
  become: become.optional().describe('how root is reached: `sudo -n`, or `none` where we log in as root'),
  identityFile: text.optional().describe('private key; default: what ssh_config says, and the agent'),
  jump: text.optional().describe('a host of this file, or what ssh_config says'),
};

const host = z.strictObject({
  address: text.optional().describe('host name or IP address; default: what ssh_config says for its name'),
  hostKey: z
    .string()
    .regex(
      /^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+ [A-Za-z0-9+/]+={0,2}$/,
      'a host key is `TYPE BASE64`, as in known_hosts',
    )
    .optional()
    .describe('default: known_hosts decides'),
  ...login,
  labels: z.record(z.string(), z.string()).optional(),
  services: z.array(z.union([text, service])).optional(),
  profile: text.optional(),
});

const schedule = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/, 'an id has lower case letters, digits, ".", "_" and "-"')
    .optional()
    .describe('names it in messages, metrics and unit files; default: RUNBOOK-HOST'),
  runbook: text.describe('name or path of a runbook, or a command like compliance'),
  host: text.describe('which hosts, as --host takes it'),
  cron: text.describe('"0 6 * * *"; six fields begin with the second'),
  timezone: text.optional().describe('as Europe/Berlin; default: that of the machine'),
  params: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]))
    .optional()
    .describe('params of the runbook; secrets by reference, as on the command line'),
});

/** Shape of fleet.yaml (contract, `fleet.yaml`). */
export const fleetSchema = z.strictObject({
  version: z.literal(1),
  defaults: z.strictObject(login).optional(),
  hosts: z.record(hostName, z.union([host, z.null()])),
  profiles: z.record(z.string(), profileSchema).optional(),
  approvals: z
    .strictObject({ ask: z.enum(['none', 'disruptive', 'write']) })
    .optional()
    .describe('which risk asks before it acts; typing the command is consent'),
  schedules: z.array(schedule).optional(),
});
export type FleetFile = z.infer<typeof fleetSchema>;

/** JSON Schema of fleet.yaml (draft 2020-12), for editors. */
export function fleetJsonSchema(): unknown {
  return z.toJSONSchema(fleetSchema, { io: 'input' });
}

import { z } from 'zod';

const text = z.string().min(1);
const bound = z.union([z.string().min(1), z.number()]);

const matcher = z
  .strictObject({
    equals: z.union([z.string(), z.number()]).optional().describe('the whole text, without white space around it'),
    matches: text.optional().describe('regular expression; ^ and $ are those of a line'),
    contains: text.optional(),
    atLeast: bound.optional().describe('a number, or in quotes a version in the order of dpkg'),
    atMost: bound.optional().describe('a number, or in quotes a version in the order of dpkg'),
  })
  .refine(given => Object.keys(given).length > 0, 'one of equals, matches, contains, atLeast, atMost is missing')
  .describe('what a text must be: all that is given here');

const path = z.string().regex(/^\/[^\0\n]*$/, 'a path on the host is absolute');
const packageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.+-]+$/, 'a package name has small letters, digits, "+", "-" and "."');
const serviceName = z
  .string()
  .regex(/^[A-Za-z0-9_][\w@.:-]*$/, 'a service name has letters, digits, "_", "@", ".", ":" and "-"');
const sysctlName = z
  .string()
  .regex(/^[a-z0-9_]+([./][\w*-]+)+$/i, 'a kernel setting is named like kernel.yama.ptrace_scope');

/** What a check asks; exactly one. */
const kinds = {
  command: z
    .strictObject({
      run: text.describe('shell text, run on the host'),
      exitCode: z.int().min(0).max(255).optional().describe('default 0'),
      stdout: matcher.optional().describe('of its first 4 KiB'),
      become: z.boolean().optional().describe('as root, by `sudo -n`'),
      timeout: text.optional().describe('default 10s'),
    })
    .optional(),
  file: z
    .strictObject({
      path,
      exists: z.boolean().optional().describe('default true'),
      mode: z
        .string()
        .regex(/^[0-7]{3,4}$/, 'a mode is octal digits in quotes, as "0644"')
        .optional(),
      owner: text.optional(),
      group: text.optional(),
      sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, 'a SHA-256 is 64 hexadecimal digits')
        .optional(),
      contains: matcher.optional().describe('of its first 64 KiB'),
    })
    .optional(),
  package: z
    .strictObject({
      name: packageName,
      installed: z.boolean().optional().describe('default true'),
      version: matcher.optional(),
    })
    .optional(),
  service: z
    .strictObject({
      name: serviceName,
      running: z.boolean().optional().describe('default true, where `enabled` is not given'),
      enabled: z.boolean().optional().describe('starts with the host'),
    })
    .optional(),
  sysctl: z.strictObject({ name: sysctlName, value: z.union([text, z.number()]) }).optional(),
  port: z
    .strictObject({
      port: z.int().min(1).max(65_535).describe('TCP'),
      address: text
        .optional()
        .describe('the very address that is listened at, as 127.0.0.1, 0.0.0.0 or ::; default: any'),
      listening: z.boolean().optional().describe('default true'),
    })
    .optional(),
};

export const kindNames = Object.keys(kinds);

const selector = text.describe('web3, web*, role=web, or all');

const check = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9:._-]*$/i, 'a check id has letters, digits, ":", ".", "_" and "-"'),
    title: text.optional(),
    severity: z.enum(['error', 'warning']).optional().describe('default error'),
    why: text.describe('what goes wrong where it is not met'),
    fix: text.describe('what to do then'),
    host: z
      .union([selector, z.array(selector).min(1)])
      .optional()
      .describe('default: all'),
    ...kinds,
  })
  .meta({ oneOf: kindNames.map(name => ({ required: [name] })) });

const waiver = z.strictObject({
  check: text.describe('id of a check; `*` is any text'),
  host: selector,
  reason: text,
  owner: text.describe('who answers for it'),
  expires: text.describe('2026-12-24 18:00 in `timezone`, or ISO 8601 with an offset'),
  timezone: text.optional().describe('of the IANA database, as Europe/Berlin'),
});

/** Shape of checks.yaml. */
export const checksSchema = z.strictObject({
  version: z.literal(1),
  checks: z.array(check).optional().describe('what is checked beside what the profile asks for'),
  waivers: z.array(waiver).optional().describe('deviations that somebody answers for, for a time'),
});
export type ChecksYaml = z.infer<typeof checksSchema>;
export type CheckYaml = NonNullable<ChecksYaml['checks']>[number];
export type WaiverYaml = NonNullable<ChecksYaml['waivers']>[number];

/** JSON Schema of checks.yaml (draft 2020-12), for editors. */
export function checksJsonSchema(): unknown {
  return z.toJSONSchema(checksSchema, { io: 'input' });
}

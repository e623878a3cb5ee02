import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { parseDuration, parseSize } from '../quantity.ts';
import { besideFleet } from './beside-fleet.ts';
import { defined } from './defined.ts';
import type { YamlFile } from './yaml-problems.ts';

/** What a prepared host has. Pulumi's resources, `runbook prepare` and the compliance checks all follow from it. */
export interface Profile {
  readonly name: string;
  /** Python versions whose services must be readable, as `2.7`; those that are found running are added. */
  readonly pythons: readonly string[];
  /** Whether debug symbols, and the source they come from, belong to it. */
  readonly symbols: boolean;
  /** Debian packages beside those that we need. */
  readonly packages: readonly string[];
  /** Where debug symbol packages come from; absent: the distribution's own archive of them. */
  readonly symbolSources?: readonly SymbolSource[];
  /** Kernel settings by name (sysctl(8)), beside what gdb needs. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** On the host, absolute: where cores lie until they are fetched. */
  readonly coreDirectory: string;
  /** How old a core may become that nobody fetched; absent: it stays. */
  readonly keepCoresSeconds?: number;
  /** Bytes that must be free where cores lie. */
  readonly minFreeDiskBytes: number;
  /** How many cores of the largest Python process must fit there. */
  readonly freeCores: number;
  /** Whether preparing restarts a service whose program was replaced on disk since it started. */
  readonly restartReplaced: boolean;
  /** Whether preparing may upgrade packages that are installed, where what is missing needs that. */
  readonly allowUpgrades: boolean;
}

/** An apt repository of debug symbol packages. */
export interface SymbolSource {
  /** Without user name and password. */
  readonly url: string;
  /** `CODENAME` stands for that of the host's release. */
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** OpenPGP public key, ASCII armoured; absent: the distribution's own keyring signs it. */
  readonly key?: string;
}

export const coreDirectory = '/var/tmp/hangar';

/** What a host needs for which the fleet file names no profile. */
export const defaultProfile: Profile = {
  name: 'default',
  pythons: [],
  symbols: true,
  packages: [],
  sysctls: {},
  coreDirectory,
  minFreeDiskBytes: 0,
  freeCores: 2,
  restartReplaced: false,
  allowUpgrades: false,
};

const absolutePath = z
  .string()
  .regex(/^\/[\w./-]+$/, 'an absolute path has letters, digits, "/", ".", "_" and "-"')
  .refine(path => !path.split('/').includes('..'), 'an absolute path has no ".."');

const word = /^[A-Za-z0-9][\w.+~:-]*$/;

const symbolSource = z.strictObject({
  url: z
    .string()
    .regex(/^(https?|file|mirror\+https?):\/\/[^\s'"\\[\]]+$/, 'a repository is http://…, https://… or file:/…')
    .refine(
      url => !/^\w[\w+]*:\/\/[^/]*@/.test(url),
      'a user name or password does not belong here: put it into /etc/apt/auth.conf.d on the hosts',
    ),
  suites: z
    .array(z.string().regex(/^[A-Za-z0-9][\w./+~-]*$/))
    .min(1)
    .optional()
    .describe('default: CODENAME'),
  components: z.array(z.string().regex(word)).min(1).optional().describe('default: main'),
  key: z
    .string()
    .min(1)
    .optional()
    .describe('its OpenPGP public key (ASCII armoured), or the file that has it, beside the fleet file'),
});

/** A profile as fleet.yaml has it. */
export const profileSchema = z.strictObject({
  pythons: z.array(z.string().regex(/^[23]\.\d+$/, 'a Python version is "3.11"')).optional(),
  symbols: z.boolean().optional().describe('debug symbols and their source; default true'),
  keepCores: z.string().min(1).optional().describe('how old a core may become that nobody fetched, as 14d'),
  minFreeDisk: z.string().min(1).optional().describe('free where cores lie, as 4GiB'),
  freeCores: z.number().min(0).optional().describe('how many cores of the largest process must fit there; default 2'),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9.+-]+$/, 'a package name has small letters, digits, "+", "-" and "."'))
    .optional(),
  symbolSources: z.array(symbolSource).min(1).optional().describe("instead of the distribution's archive"),
  sysctls: z
    .record(
      z.string().regex(/^[a-z0-9_]+([./][\w*-]+)+$/i, 'a kernel setting is named like kernel.yama.ptrace_scope'),
      z.union([z.string().regex(/^[^\n\r]+$/), z.number()]),
    )
    .optional(),
  coreDirectory: absolutePath.optional().describe(`default ${coreDirectory}`),
  restartReplaced: z
    .boolean()
    .optional()
    .describe('preparing restarts a service whose program was replaced on disk since it started; default false'),
  allowUpgrades: z
    .boolean()
    .optional()
    .describe('preparing may upgrade installed packages where what is missing needs that; default false'),
});
type ProfileFile = z.infer<typeof profileSchema>;

/** The profiles of a fleet file, typed; what is wrong with them is added to the file's problems. */
export async function readProfiles(
  file: YamlFile,
  profiles: Readonly<Record<string, ProfileFile>> = {},
): Promise<ReadonlyMap<string, Profile>> {
  const entries = Object.entries(profiles).map(
    async ([name, each]) => [name, await readProfile(file, name, each)] as const,
  );
  return new Map(await Promise.all(entries));
}

async function readProfile(file: YamlFile, name: string, written: ProfileFile): Promise<Profile> {
  const at = ['profiles', name];
  const { keepCores, minFreeDisk, symbolSources, sysctls = {}, ...rest } = written;
  const keepCoresSeconds = keepCores === undefined ? undefined : parseDuration(keepCores);
  if (keepCores !== undefined && keepCoresSeconds === undefined)
    file.add([...at, 'keepCores'], `expected a duration like 14d, found ${JSON.stringify(keepCores)}`);
  const minFreeDiskBytes = minFreeDisk === undefined ? 0 : parseSize(minFreeDisk);
  if (minFreeDiskBytes === undefined)
    file.add([...at, 'minFreeDisk'], `expected a size like 4GiB, found ${JSON.stringify(minFreeDisk)}`);
  const sources = await Promise.all(
    (symbolSources ?? []).map((each, index) => readSource(file, [...at, 'symbolSources', index], each)),
  );
  return {
    ...defaultProfile,
    ...defined(rest),
    name,
    sysctls: Object.fromEntries(Object.entries(sysctls).map(([key, value]) => [key.replaceAll('/', '.'), `${value}`])),
    minFreeDiskBytes: minFreeDiskBytes ?? 0,
    ...(keepCoresSeconds !== undefined && { keepCoresSeconds }),
    ...(symbolSources && { symbolSources: sources }),
  };
}

async function readSource(
  file: YamlFile,
  at: readonly (string | number)[],
  { url, suites = ['CODENAME'], components = ['main'], key }: NonNullable<ProfileFile['symbolSources']>[number],
): Promise<SymbolSource> {
  const source = { url: url.replace(/\/+$/, ''), suites, components };
  if (key === undefined) return source;
  if (isArmoured(key)) return { ...source, key };
  try {
    const text = await readFile(besideFleet(key, file.path), 'utf8');
    if (isArmoured(text)) return { ...source, key: text };
    file.add([...at, 'key'], `"${key}" is not an ASCII armoured OpenPGP public key (make one: gpg --armor --export)`);
  } catch (error) {
    file.add([...at, 'key'], `cannot be read: ${messageOf(error)}`);
  }
  return source;
}

function isArmoured(text: string): boolean {
  return text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----');
}

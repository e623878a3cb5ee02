import type {
  FileFact,
  HostFacts,
  LeftOverCore,
  PackageFact,
  PythonModule,
  PythonProcess,
  RepositoryFact,
} from './facts.ts';
import { readGaps } from './mapped-modules.ts';
import { fieldsOf, lineOf, linesOf, numberOf, toNumber } from './transcript.ts';

/** Reads the output of the host program's `facts`; undefined when it breaks off. */
export function readFacts(stdout: string): HostFacts | undefined {
  const printed = stdout.split('\n');
  // A login shell may have greeted before it.
  const lines = printed.slice(printed.lastIndexOf('facts') + 1);
  const clockSeconds = toNumber(/^\d+(\.\d+)?/.exec(lineOf(lines, 'clock') ?? '')?.[0]);
  if (!printed.includes('facts') || !lines.includes('end') || clockSeconds === undefined) return undefined;
  const access = lineOf(lines, 'access');
  return {
    access: access === 'program' || access === 'root' ? access : 'none',
    ...optional('refusal', lineOf(lines, 'refusal')),
    user: lineOf(lines, 'user') ?? '',
    clockSeconds,
    ...optional('machineId', lineOf(lines, 'machine-id')),
    ...optional('stamp', linesOf(lines, 'stamp').join('\n') || undefined),
    os: {
      id: lineOf(lines, 'os-id') ?? '',
      versionId: lineOf(lines, 'os-version') ?? '',
      codename: lineOf(lines, 'os-codename') ?? '',
      name: lineOf(lines, 'os-name') ?? '',
    },
    ...readInstalled(lines),
    ...optional('packagesChangedSeconds', numberOf(lines, 'packages-changed')),
    files: readFiles(lines),
    sysctls: readSysctls(lines),
    keptSysctls: new Map(linesOf(lines, 'sysctl-kept').map(line => pairOf(line, ' '))),
    ...optional('disk', readDisk(lineOf(lines, 'disk'))),
    pythons: linesOf(lines, 'python').flatMap(line => readPython(line, lines)),
    cores: linesOf(lines, 'core').flatMap(line => readCore(line, clockSeconds)),
    repositories: readRepositories(lines),
    ...optional('sudoers', readSudoers(lineOf(lines, 'sudoers'))),
    ...optional('gdbHasPython', readYes(lineOf(lines, 'gdb'))),
    gaps: readGaps(lines),
  };
}

interface InstalledPackage extends PackageFact {
  readonly name: string;
  readonly architecture: string;
}

/** `NAME|STATUS|VERSION|ARCHITECTURE`, one line for each architecture that it is there for. */
function readInstalled(lines: readonly string[]): Pick<HostFacts, 'architecture' | 'aptVersion' | 'packages'> {
  const offered = new Map(linesOf(lines, 'offered').map(line => pairOf(line, ' ')));
  const listed = linesOf(lines, 'package').map(readPackage);
  const architecture = listed.find(({ name }) => name === 'dpkg')?.architecture ?? '';
  const packages = new Map<string, PackageFact>();
  // The last one counts: the host's own architecture.
  for (const { name, status, version } of listed.toSorted((a, b) => weight(a) - weight(b))) {
    const offer = status === 'absent' ? offered.get(name) : undefined;
    packages.set(name, {
      status,
      ...optional('version', version),
      ...(offer !== undefined && { offered: offer === '-' ? null : offer }),
    });
  }
  return { architecture, ...optional('aptVersion', packages.get('apt')?.version), packages };

  function weight(each: InstalledPackage): number {
    return (each.status === 'absent' ? 0 : 2) + (each.architecture === architecture ? 1 : 0);
  }
}

function readPackage(line: string): InstalledPackage {
  const [name = '', status = '', version = '', architecture = ''] = line.split('|');
  const state = packageStatus(status);
  return { name, status: state, architecture, ...(state !== 'absent' && { version }) };
}

/** dpkg-query(1), db:Status-Abbrev: desired action, state, whether it must be installed anew. */
function packageStatus(abbreviation: string): PackageFact['status'] {
  const [, state = '', error = ''] = abbreviation;
  if (state === 'n' || state === 'c') return 'absent';
  return state === 'i' && error.trim() === '' ? 'installed' : 'half';
}

function readFiles(lines: readonly string[]): HostFacts['files'] {
  const sums = new Map(linesOf(lines, 'sha256').map(readSum));
  const directories = new Map(linesOf(lines, 'directory').map(readDirectory));
  const targets = new Map(linesOf(lines, 'target').map(readTarget));
  const present = linesOf(lines, 'file').map((line): readonly [string, FileFact] => {
    const [kind = '', mode = '', owner = '', group = '', bytes, ...path] = line.split('|');
    const name = path.join('|');
    return [
      name,
      {
        status: 'present',
        kind: fileKind(kind),
        mode: mode.padStart(4, '0'),
        owner,
        group,
        bytes: toNumber(bytes) ?? 0,
        ...optional('sha256', sums.get(name)),
        ...optional('target', targets.get(name)),
        directory: directories.get(name.slice(0, name.lastIndexOf('/'))) ?? { mode: '', owner: '' },
      },
    ];
  });
  return new Map<string, FileFact>([
    ...linesOf(lines, 'file-absent').map(path => [path, { status: 'absent' }] as const),
    ...linesOf(lines, 'file-unreadable').map(path => [path, { status: 'unreadable' }] as const),
    ...present,
  ]);
}

/** As sha256sum(1) prints it: a line that begins with `\` has its name escaped. */
function readSum(line: string): readonly [string, string] {
  const found = /^(\\?)([0-9a-f]{64}) [ *](.*)$/.exec(line);
  if (found === null) return ['', ''];
  const [, escaped = '', sum = '', path = ''] = found;
  return [escaped === '' ? path : path.replaceAll(String.raw`\\`, '\\'), sum];
}

function readDirectory(line: string): readonly [string, { readonly mode: string; readonly owner: string }] {
  const [mode = '', owner = '', ...path] = line.split('|');
  return [path.join('|'), { mode: mode.padStart(4, '0'), owner }];
}

type PresentFile = Extract<FileFact, { readonly status: 'present' }>;

/** `KIND|MODE|OWNER|PATH` */
function readTarget(line: string): readonly [string, NonNullable<PresentFile['target']>] {
  const [text = '', mode = '', owner = '', ...path] = line.split('|');
  const kind = fileKind(text);
  return [path.join('|'), { kind: kind === 'link' ? 'other' : kind, mode: mode.padStart(4, '0'), owner }];
}

/** stat(1), %F */
function fileKind(text: string): PresentFile['kind'] {
  if (text.startsWith('regular')) return 'file';
  if (text === 'directory') return 'directory';
  return text === 'symbolic link' ? 'link' : 'other';
}

function readSysctls(lines: readonly string[]): HostFacts['sysctls'] {
  return new Map<string, string | undefined>([
    ...linesOf(lines, 'sysctl-absent').map(name => [name, undefined] as const),
    ...linesOf(lines, 'sysctl').map(line => {
      const [name, value] = pairOf(line, ' ');
      // The kernel puts tabs between the numbers of one setting.
      return [name, value.trim().replaceAll(/\s+/g, ' ')] as const;
    }),
  ]);
}

/** `PATH|` and the line of df(1) -P with -k: file system, blocks, used, available, capacity, mounted on. */
function readDisk(line: string | undefined): HostFacts['disk'] {
  const [path, shown] = pairOf(line ?? '', '|');
  const found = /\s(\d+)\s+\d+\s+(-?\d+)\s+\d+%/.exec(shown);
  if (found === null) return undefined;
  return { path, freeBytes: Math.max(0, Number(found[2])) * 1024, totalBytes: Number(found[1]) * 1024 };
}

/** `PID USER`; the rest of it on lines of their own. */
function readPython(line: string, lines: readonly string[]): readonly PythonProcess[] {
  const [id, user] = pairOf(line, ' ');
  const pid = toNumber(id);
  if (pid === undefined) return [];
  return [
    {
      pid,
      user,
      command: linesOf(lines, `command ${pid}`).join(' ').trim(),
      services: linesOf(lines, `belongs ${pid}`),
      ...optional('version', lineOf(lines, `version ${pid}`)),
      ...optional('coreBytes', readDense(lineOf(lines, `memory ${pid}`))),
      modules: linesOf(lines, `uses ${pid}`).flatMap(use => readModule(use, lines)),
      replaced: linesOf(lines, `replaced ${pid}`),
    },
  ];
}

/** `dense=BYTES resident=BYTES rss=BYTES`; nothing, or nought, where it could not be read. */
function readDense(line: string | undefined): number | undefined {
  const bytes = toNumber(fieldsOf(line ?? '')['dense']);
  return bytes === 0 ? undefined : bytes;
}

/** `ROLE N`, and of that file `VIA SYMBOLS BUILD-ID PACKAGE PATH`. */
function readModule(use: string, lines: readonly string[]): readonly PythonModule[] {
  const [role, number] = pairOf(use, ' ');
  const [via, symbols, buildId = '-', name = '-', ...path] = (lineOf(lines, `image ${number}`) ?? '').split(' ');
  if (role !== 'executable' && role !== 'libpython' && role !== 'mod_wsgi') return [];
  if (path.length === 0) return [];
  return [
    {
      role,
      path: path.join(' '),
      isReadable: via === 'map' || via === 'path',
      ...(buildId !== '-' && { buildId }),
      ...(name !== '-' && { package: name }),
      symbols: symbols === 'separate' || symbols === 'own' || symbols === 'offered' ? symbols : 'none',
    },
  ];
}

/** `BYTES|TIME|DIRECTORY` */
function readCore(line: string, clockSeconds: number): readonly LeftOverCore[] {
  const [bytes, changed, ...directory] = line.split('|');
  const [size, time] = [toNumber(bytes), toNumber(changed)];
  if (size === undefined || time === undefined) return [];
  return [{ directory: directory.join('|'), bytes: size, ageSeconds: Math.max(0, clockSeconds - time) }];
}

/** `ROLE ANSWERED SIGNATURE|URL|SUITE|KEYRING|SAID`; keyrings once each. */
function readRepositories(lines: readonly string[]): readonly RepositoryFact[] {
  const keyrings = new Map(
    linesOf(lines, 'keyring').map(line => {
      const [base64, path] = pairOf(line, ' ');
      return [path, base64] as const;
    }),
  );
  return linesOf(lines, 'repository').map(line => {
    const [head = '', url = '', suite = '', path = '', ...said] = line.split('|');
    const [role, reached, signature] = head.split(' ');
    const base64 = keyrings.get(path);
    return {
      role: role === 'release' ? 'release' : 'symbols',
      url,
      suite,
      isReachable: reached === 'yes',
      said: said.join('|'),
      signature: signature === 'valid' || signature === 'invalid' ? signature : 'unchecked',
      ...(base64 !== undefined && { keyring: { path, base64 } }),
    };
  });
}

/** `yes|no TEXT` */
function readSudoers(line: string | undefined): HostFacts['sudoers'] {
  const [verdict, said] = pairOf(line ?? '', ' ');
  const isValid = readYes(verdict);
  return isValid === undefined ? undefined : { isValid, said };
}

function readYes(word: string | undefined): boolean | undefined {
  return word === 'yes' ? true : word === 'no' ? false : undefined;
}

/** What stands before and behind the first `mark`. */
function pairOf(line: string, mark: string): readonly [string, string] {
  const at = line.indexOf(mark);
  return at === -1 ? [line, ''] : [line.slice(0, at), line.slice(at + mark.length)];
}

function optional<Key extends string, T>(key: Key, value: T | undefined): { readonly [K in Key]?: T } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript widens a computed key to string
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: T });
}

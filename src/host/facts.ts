/** What is known of a host's readiness, as the host program's `facts` tells it: read only, one round trip. */
export interface HostFacts {
  /**
   * How they were read: by the installed host program through its own sudo rule, with full root rights (or as root), or
   * without any, where files of root, sudoers and other users' processes are not seen.
   */
  readonly access: 'program' | 'root' | 'none';
  /** Why root was refused, in sudo's words; only where `access` is `none`. */
  readonly refusal?: string;
  /** Who we log in as. */
  readonly user: string;
  /** The host's clock when it was asked, in Unix seconds with a fraction. */
  readonly clockSeconds: number;
  /** /etc/machine-id (machine-id(5)). */
  readonly machineId?: string;
  /** What the last preparation by Pulumi left there (`stampPath`). */
  readonly stamp?: string;
  /** os-release(5). */
  readonly os: { readonly id: string; readonly versionId: string; readonly codename: string; readonly name: string };
  /** dpkg's name of it, as `amd64`. */
  readonly architecture: string;
  /** Version of apt; absent where there is none. */
  readonly aptVersion?: string;
  /** When dpkg's database last changed, in Unix seconds. */
  readonly packagesChangedSeconds?: number;
  /** Those that were asked for, by name without architecture. */
  readonly packages: ReadonlyMap<string, PackageFact>;
  /** Those that were asked for, by path. */
  readonly files: ReadonlyMap<string, FileFact>;
  /** Those that were asked for, by name; undefined: this kernel has none of that name. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  /** What stands in our file of kernel settings, and so outlives the next boot. */
  readonly keptSysctls: ReadonlyMap<string, string>;
  /** Where cores lie, or the nearest directory above it that is there. */
  readonly disk?: { readonly path: string; readonly freeBytes: number; readonly totalBytes: number };
  /** Processes that run Python. */
  readonly pythons: readonly PythonProcess[];
  /** Cores that an earlier run left; those that a run is at work on are not among them. */
  readonly cores: readonly LeftOverCore[];
  readonly repositories: readonly RepositoryFact[];
  /** `visudo -c`: undefined where it could not be asked. */
  readonly sudoers?: { readonly isValid: boolean; readonly said: string };
  /** Whether the installed gdb runs Python; undefined where there is no gdb. */
  readonly gdbHasPython?: boolean;
  /** What could not be read. */
  readonly gaps: readonly { readonly what: string; readonly why: string; readonly fix?: string }[];
}

export interface PackageFact {
  /** `half`: not wholly installed (dpkg(1), package states). */
  readonly status: 'installed' | 'half' | 'absent';
  /** Absent where it is not installed. */
  readonly version?: string;
  /**
   * Version that the host's apt sources offer, by the lists that it last fetched; null: none does. Only of packages that
   * are wanted and absent, and where lists were ever fetched.
   */
  readonly offered?: string | null;
}

export type FileFact =
  | { readonly status: 'absent' }
  /** Not to be seen without root. */
  | { readonly status: 'unreadable' }
  | {
      readonly status: 'present';
      readonly kind: 'file' | 'directory' | 'link' | 'other';
      /** Permission bits in octal, four digits: `0700`. */
      readonly mode: string;
      readonly owner: string;
      readonly group: string;
      readonly bytes: number;
      /** Of regular files of at most 1 MiB, in hex. */
      readonly sha256?: string;
      /** Of a link: what it leads to; absent where that is nothing. */
      readonly target?: {
        readonly kind: 'file' | 'directory' | 'other';
        readonly mode: string;
        readonly owner: string;
      };
      /** As `mode`, of the directory that holds it, with its owner: who may replace the file. */
      readonly directory: { readonly mode: string; readonly owner: string };
    };

export interface PythonProcess {
  readonly pid: number;
  readonly user: string;
  /** Blanks between the arguments. */
  readonly command: string;
  /** Of the services that were asked for, those it belongs to, whether or not their `match` means it. */
  readonly services: readonly string[];
  /** As `2.7`; absent where neither its program nor a library says so. */
  readonly version?: string;
  /** What gdb may write for it at most (`dense` of the host program's estimate); absent without root. */
  readonly coreBytes?: number;
  /** The interpreter: its executable, libpython, mod_wsgi; those that it has mapped. */
  readonly modules: readonly PythonModule[];
  /** Executable and libraries that it runs and that were replaced or removed on disk since, each once. */
  readonly replaced: readonly string[];
}

export interface PythonModule {
  readonly role: 'executable' | 'libpython' | 'mod_wsgi';
  readonly path: string;
  /** Whether the file can still be had: by its path, or through /proc/PID/map_files. */
  readonly isReadable: boolean;
  /** GNU build-id in hex. */
  readonly buildId?: string;
  /** Debian package that has that path. */
  readonly package?: string;
  /**
   * Where its debug symbols are: a file below /usr/lib/debug with the same build-id, in the file itself (.symtab or
   * .debug_info), offered by a package of the apt sources (`Build-Ids:`, or the package's `-dbg` of the same version),
   * or nowhere.
   */
  readonly symbols: 'separate' | 'own' | 'offered' | 'none';
}

export interface LeftOverCore {
  readonly directory: string;
  readonly bytes: number;
  /** Since it was written, in seconds. */
  readonly ageSeconds: number;
}

export interface RepositoryFact {
  /** `release`: what the host installs from; `symbols`: a source of debug symbols. */
  readonly role: 'release' | 'symbols';
  readonly url: string;
  /** With the host's codename. */
  readonly suite: string;
  /** Whether its InRelease (or Release) file could be fetched now. */
  readonly isReachable: boolean;
  /** What the fetch, or the check of the signature, said. */
  readonly said: string;
  /** By the keyring that the profile names; `unchecked` where there is no keyring, no tool, or no answer. */
  readonly signature: 'valid' | 'invalid' | 'unchecked';
  /** The keyring file, at most 256 KiB; absent where there is none. */
  readonly keyring?: { readonly path: string; readonly base64: string };
}

/** Where Pulumi's preparation leaves its mark, written last. */
export const stampPath = '/var/lib/hangar/prepared';

/** What is asked; `CODENAME` stands for that of the host's release. */
export interface FactsRequest {
  /** Package names to look up; `*` and `[…]` as dpkg-query(1) takes them. */
  readonly packages: readonly string[];
  /**
   * Packages that are to be there: of those that are not, what the sources offer is asked. `X.Y` in a name stands for each
   * version of Python that runs from a package; `-dbgsym` packages of packages that are not there are not asked for.
   */
  readonly wanted: readonly string[];
  readonly files: readonly string[];
  readonly sysctls: readonly string[];
  readonly coreDirectory: string;
  /** Services whose processes are told apart. */
  readonly services: readonly { readonly name: string; readonly match?: string }[];
  /** Symbol sources; those for another distribution than the host's are left out there. */
  readonly repositories: readonly {
    /** os-release(5) ID; absent: any. */
    readonly distribution?: string;
    readonly url: string;
    readonly suite: string;
    readonly keyring: string;
  }[];
}

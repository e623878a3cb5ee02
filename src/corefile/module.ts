import type { BuildId } from './build-id.ts';

/** An ELF file that the process had loaded: its executable, a shared library, or the vDSO. */
export interface Module {
  /** `l_name` of its link_map entry (what a sysroot must be laid out by); the executable has its AT_EXECFN / NT_FILE path. */
  readonly name: string;
  /** Path by NT_FILE; absent for the vDSO. */
  readonly path?: string;
  readonly isExecutable: boolean;
  /** Load bias: what is added to the file's addresses (`l_addr`). */
  readonly bias: bigint;
  /** First mapped address and the one after the last. */
  readonly start: bigint;
  readonly end: bigint;
  /** From the mapped ELF header's notes; absent when the header was not dumped or has no such note. */
  readonly buildId?: BuildId;
  readonly file: ModuleFile;
}

export type ModuleFile =
  | {
      readonly status: 'found';
      readonly path: string;
      /** Debug file of the same build-id. */
      readonly debugPath?: string;
      /** What the debug file has in common with others, in a file and under a build-id of its own. */
      readonly alternate?: { readonly buildId: BuildId; readonly path: string };
    }
  | { readonly status: 'missing'; readonly searched: readonly string[] }
  | { readonly status: 'mismatched'; readonly path: string; readonly found?: BuildId };

import type { CoreFile } from '../corefile/core.ts';
import type { Memory } from '../corefile/memory.ts';
import type { Module } from '../corefile/module.ts';
import type { ProcessEvidence } from '../host/evidence.ts';
import type { NativeThread } from '../native/stacks.ts';
import type { PythonProcess } from '../python/process.ts';

/** All sources of a verdict; only the core's threads are needed. */
export interface JudgeInput {
  readonly core: Pick<CoreFile, 'threads' | 'process'>;
  readonly modules?: readonly Module[];
  readonly python?: PythonProcess;
  readonly native?: readonly NativeThread[];
  readonly evidence?: ProcessEvidence;
  /** For what system calls point to: limits, polled descriptors, mutex owners. */
  readonly memory?: Memory;
}

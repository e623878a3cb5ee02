import type { CoreThread, Machine } from '../corefile/core.ts';
import { syscallName } from '../corefile/syscalls.ts';
import type { ProcessEvidence, ThreadEvidence } from '../host/evidence.ts';
import { judge, type Verdict } from './judge.ts';

/**
 * The verdict where no core could be had: states, system calls and kernel stacks of /proc's samples. It finds what stops
 * a process from outside of Python; of Python itself nothing is known.
 */
export function judgeEvidence(evidence: ProcessEvidence): Verdict {
  const machine = machineOf(evidence);
  const verdict = judge({
    core: {
      process: { pid: evidence.pid, name: evidence.threads[0]?.name ?? '', args: evidence.command.join(' ') },
      threads: evidence.threads.map(thread => coreThread(thread, machine)),
    },
    evidence,
  });
  // Where the kernel says what its threads do, something was read.
  const isTold = evidence.threads.some(({ wchan, kernelStack }) => wchan !== undefined || kernelStack !== undefined);
  const findings = verdict.findings.filter(({ class: kind }) => kind !== 'unreadable' || !isTold);
  return { ...verdict, findings };
}

/** `uname -srm` ends with the machine. */
function machineOf({ kernel = '' }: ProcessEvidence): Machine {
  return kernel.endsWith(' aarch64') ? 'aarch64' : 'x86_64';
}

/** As a core would have it, without registers. */
function coreThread({ tid, syscall }: ThreadEvidence, machine: Machine): CoreThread {
  const name = syscall && syscallName(machine, syscall.number);
  return {
    lwp: tid,
    pc: 0n,
    stackPointer: 0n,
    ...(syscall && { syscall: { ...syscall, ...(name !== undefined && { name }) } }),
  };
}

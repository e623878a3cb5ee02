import type { SshSession } from './session.ts';

/** Whatever runs a command line: a session with a host, or this machine. */
export type Shell = Pick<SshSession, 'run' | 'stream'>;

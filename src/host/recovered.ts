/** What `recover` said: the service answers again, or nobody can tell. */
export interface Recovered {
  /** False where no check is known to ask. */
  readonly answered: boolean;
  /**
   * From the start of the restart until the check answered. Absent where one call began the restart, was cut off, and
   * another one found how it ended.
   */
  readonly downSeconds?: number;
  /** The command that was run, or what was done. */
  readonly by: string;
}

/** Reads the output of the host program's `recover`; undefined when it breaks off. */
export function readRecovered(stdout: string): Recovered | undefined {
  const found = /^recovered (answered|unknown)(?: down=([\d.]+))? by=(.*)$/m.exec(stdout);
  if (found === null) return undefined;
  const [, outcome, down, by = ''] = found;
  return { answered: outcome === 'answered', by, ...(down !== undefined && { downSeconds: Number(down) }) };
}

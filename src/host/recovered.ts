/** What `recover` said: the service answers again, or nobody can tell. */
export interface Recovered {
  /** False where no check is known to ask. */
  readonly answered: boolean;
  /** From the start of the restart until the check answered. */
  readonly downSeconds: number;
  /** The command that was run, or what was done. */
  readonly by: string;
}

/** Reads the output of the host program's `recover`; undefined when it breaks off. */
export function readRecovered(stdout: string): Recovered | undefined {
  const found = /^recovered (answered|unknown) down=([\d.]+) by=(.*)$/m.exec(stdout);
  if (found === null) return undefined;
  return { answered: found[1] === 'answered', downSeconds: Number(found[2]), by: found[3] ?? '' };
}

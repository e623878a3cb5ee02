/** The line that the host program ends with on failure: `error CODE text`. */
export interface HostError {
  readonly code: string;
  readonly text: string;
}

/** The last such line of stderr; undefined when the program did not say what failed. */
export function readHostError(stderr: string): HostError | undefined {
  const found = /^error ([A-Z][A-Z_]+) (.*)$/.exec(
    stderr.split('\n').findLast(line => line.startsWith('error ')) ?? '',
  );
  return found === null ? undefined : { code: found[1] ?? '', text: (found[2] ?? '').trim() };
}

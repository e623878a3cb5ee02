/** What `outcome` said of a capture or a recovery that was begun under a key. */
export type Outcome =
  /** It ended well; `result` is what it printed then. */
  | { readonly state: 'done'; readonly result: string }
  | { readonly state: 'running' }
  /** It was never begun, or it was cut off. */
  | { readonly state: 'none' };

/** Reads the output of the host program's `outcome`; undefined when it breaks off. */
export function readOutcome(stdout: string): Outcome | undefined {
  const [, state, result = ''] = /^outcome (done|running|none)\n([^]*)$/.exec(stdout) ?? [];
  switch (state) {
    case 'done':
      return { state, result };
    case 'running':
    case 'none':
      return { state };
    default:
      return undefined;
  }
}

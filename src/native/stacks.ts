/** Native stack of one thread, as the debugger unwound it. */
export interface NativeThread {
  readonly lwp: number;
  /** Innermost first. */
  readonly frames: readonly NativeFrame[];
  /** Why unwinding ended early, in the debugger's words. */
  readonly stopped?: string;
}

export interface NativeFrame {
  readonly pc: bigint;
  readonly function?: string;
  /** `Module.name` of the module that holds `pc`. */
  readonly module?: string;
  /** `pc` minus the module's load bias. */
  readonly offset?: bigint;
  readonly file?: string;
  readonly line?: number;
}

/** Native stacks of a core, and what of them could not be had. */
export interface NativeStacks {
  /** In the core's order; threads without a single frame are left out. */
  readonly threads: readonly NativeThread[];
  readonly gaps: readonly NativeGap[];
}

export interface NativeGap {
  readonly what: string;
  readonly why: string;
  readonly fix?: string;
}

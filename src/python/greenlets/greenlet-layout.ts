/**
 * Where the package greenlet, built for one CPython minor version, keeps its greenlets. The tables in
 * `greenlet-layouts.ts` are made from the DWARF of its wheels by `scripts/layout/make-greenlets.ts`. Plain numbers are
 * byte offsets.
 */
export interface GreenletLayout {
  /** CPython that it is built for: `3.11` */
  readonly minor: string;
  /** Oldest and newest minor release of greenlet with this table, `3.0`. */
  readonly releases: readonly [oldest: string, newest: string];
  readonly source: { readonly versions: readonly string[]; readonly structures: string };
  /** In the object: pointer to its state; absent before 2.0, when the object is the state. */
  readonly state?: number;
  /** In the state: pointer back to the object; absent before 2.0. */
  readonly self?: number;
  /** In the state: the part of the C stack that it is on, and the lower end of it that was saved to the heap. */
  readonly stack: { readonly start: number; readonly stop: number; readonly copy: number; readonly saved: number };
  /** In the state: `PyFrameObject *`; NULL while it runs. */
  readonly topFrame: number;
  /** In the state, from CPython 3.11 on: `_PyInterpreterFrame *` */
  readonly currentFrame?: number;
  /** In the state of one that is not a thread's main greenlet. */
  readonly parent: number;
  /** The way to the one that runs: from a greenlet to its main greenlet, whose state leads to the thread's; absent before 2.0. */
  readonly thread?: { readonly main: number; readonly state: number; readonly current: number };
}

/**
 * Where CPython of one minor version lists the objects that its collector tracks: circular lists whose heads lie one
 * after the other (Modules/gcmodule.c, Python/gc.c).
 */
export interface GcLayout {
  /** `3.11` */
  readonly minor: string;
  readonly source: { readonly version: string; readonly structures: string };
  readonly heads: /** Behind an exported pointer. */
    | { readonly in: 'variable'; readonly symbol: string; readonly offsets: readonly number[] }
    /** In `_PyRuntime`. */
    | { readonly in: 'runtime'; readonly offsets: readonly number[] }
    | { readonly in: 'interpreter'; readonly offsets: readonly number[] };
  /** In a head and before each object: pointers, whose two low bits are flags from 3.8 on. */
  readonly next: number;
  readonly previous: number;
  /** `sizeof(PyGC_Head)`: the object lies that far behind. */
  readonly size: number;
}

import type { RunJournal, RunRequest } from './run-store.ts';

/** A journal that keeps nothing: for a run that only looks. */
export function memoryJournal(request: RunRequest): RunJournal {
  return {
    request,
    history: [],
    append: async () => {},
    messages: () => [],
    end: async () => {},
    close: async () => {},
  };
}

import type { PythonThread } from './process.ts';
export function settleOwners(threads: readonly PythonThread[]): readonly PythonThread[] {
  return threads;
}

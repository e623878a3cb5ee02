import { UnreadableMemoryError } from './memory.ts';

/** What `read` gives; undefined where the bytes are not there, for callers that have another source. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnreadableMemoryError) return undefined;
    throw error;
  }
}

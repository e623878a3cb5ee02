import { closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * A lock that one process at a time holds, and that the kernel frees when that process ends, however it does: an
 * exclusive SQLite transaction on a file of its own (sqlite.org, File Locking And Concurrency; fcntl(2)).
 */
export class ExclusiveLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Undefined where somebody has it. The file's folder must be there; the file stays. */
  static take(path: string): ExclusiveLock | undefined {
    // Only where it is not there yet: to close a file of ours that is locked would free the lock (fcntl(2)).
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('BEGIN EXCLUSIVE');
      return new ExclusiveLock(database);
    } catch (error) {
      database.close();
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** SQLITE_BUSY: another connection has the lock. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5;
}

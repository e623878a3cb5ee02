import type { Reporter, TestModule } from 'vitest/node';

/** Ends the run with one line that a script can read: `N passed, N failed, N skipped`. */
// oxlint-disable-next-line import/no-default-export -- vitest loads a reporter by its default export
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0) count.failed++;
      for (const test of module.children.allTests()) count[test.result().state]++;
    }
    const { passed, failed, skipped, pending } = count;
    process.on('exit', () =>
      process.stdout.write(`\n${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`),
    );
  }
}

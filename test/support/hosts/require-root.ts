import type { TestContext } from 'vitest';

/** Skips the running test, with the reason, where this process is not root; with CI=true it fails instead. */
export function requireRoot(context: TestContext): void {
  if (requireRoot.isRoot) return;
  const reason = 'test hosts are namespaces of this machine, which only root makes';
  if (process.env['CI'] === 'true') throw new Error(reason);
  context.skip(reason);
}

requireRoot.isRoot = process.getuid?.() === 0;

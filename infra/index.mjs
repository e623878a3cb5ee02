import { RunError } from '@pulumi/pulumi';

// A Node that runs no TypeScript fails on index.ts before any line of it runs.
// oxlint-disable-next-line import/no-default-export -- Pulumi calls a function that is the default export
export default async function start() {
  if (process.features.typescript) return { ...(await import('./index.ts')) };
  throw new RunError(
    `Node ${process.versions.node} runs no TypeScript, which takes 22.18 or later: use the one that comes with this project: npm run up`,
  );
}

import { defineConfig } from 'vitest/config';

const slow = { testTimeout: 180_000, hookTimeout: 900_000 };

export default defineConfig({
  test: {
    globalSetup: ['test/support/setup.ts'],
    reporters: ['default', './test/support/tally.ts'],
    // Two cores: more workers only lengthen each target's start.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], ...slow } },
      { extends: true, test: { name: 'hosts', include: ['test/hosts/**/*.test.ts'], ...slow } },
      { extends: true, test: { name: 'infra', include: ['test/infra/**/*.test.ts'], ...slow } },
      { extends: true, test: { name: 'matrix', include: ['test/matrix/**/*.test.ts'], ...slow } },
    ],
  },
});

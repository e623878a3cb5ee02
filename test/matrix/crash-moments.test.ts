import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CrashSite, crashAndResume, startCrashSite } from '../support/hosts/crash.ts';
import { requireRoot } from '../support/hosts/require-root.ts';

let site: CrashSite;
beforeAll(async () => {
  if (requireRoot.isRoot) site = await startCrashSite();
});
afterAll(async () => site?.stop());

/** Spread over the eight seconds that a run takes here, each at random within its part. */
const moments = Array.from({ length: 30 }, (_, at) => Math.round(((at + Math.random()) / 30) * 8000));

test.for(moments)(
  'a controller that is killed after %i ms leaves a run that is resumed to the same report',
  async (milliseconds, context) => {
    requireRoot(context);
    const resumed = await crashAndResume(site, () => new Promise(resolve => setTimeout(resolve, milliseconds)));
    // Killed before anything was kept: then nothing was done.
    expect(resumed.causes, resumed.stderr).toEqual(resumed.run === undefined ? [] : site.expected);
    expect(resumed.restarts, resumed.stderr).toBe(resumed.run === undefined ? 0 : 1);
    expect(resumed.captures, resumed.stderr).toBeLessThanOrEqual(resumed.wasCapturing ? 2 : 1);
    expect(resumed.left, resumed.stderr).toBe('');
  },
);

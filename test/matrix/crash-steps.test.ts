import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CrashSite, crashAndResume, said, startCrashSite } from '../support/hosts/crash.ts';
import { requireRoot } from '../support/hosts/require-root.ts';

let site: CrashSite;
beforeAll(async () => {
  if (requireRoot.isRoot) site = await startCrashSite();
});
afterAll(async () => site?.stop());

const steps = ['find', 'evidence', 'core', 'recover', 'pull', 'analyze', 'clean'] as const;
const moments = ['before', 'in', 'after'] as const;

test.for(steps.flatMap(step => moments.map(moment => [moment, step] as const)))(
  'a controller that is killed %s %s leaves a run that is resumed to the same report, with nothing done twice',
  async ([moment, step], context) => {
    requireRoot(context);
    const resumed = await crashAndResume(site, async command => {
      if (moment === 'after') return said(command, new RegExp(`web3: ${step} (succeeded|failed)`));
      await said(command, new RegExp(`web3: ${step} …`));
      if (moment === 'in') await new Promise(resolve => setTimeout(resolve, 250));
    });
    expect(resumed.causes, resumed.stderr).toEqual(site.expected);
    expect(resumed.restarts, resumed.stderr).toBe(1);
    expect(resumed.captures, resumed.stderr).toBeLessThanOrEqual(resumed.wasCapturing ? 2 : 1);
    expect(resumed.left, resumed.stderr).toBe('');
    expect(await site.shop.get('/health')).toBe(200);
  },
);

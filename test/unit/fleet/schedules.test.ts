import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { messageOf } from '../../../src/errors.ts';
import type { Fleet } from '../../../src/fleet/fleet.ts';
import { loadFleet } from '../../../src/fleet/load-fleet.ts';
import { schedulesOf } from '../../../src/fleet/schedules.ts';

async function load(schedules: string): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), 'hangar-schedules-'));
  try {
    const path = join(folder, 'fleet.yaml');
    await writeFile(path, `version: 1\nhosts: { web3: { labels: { role: web } } }\nschedules:\n${schedules}`);
    return await loadFleet(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('each schedule has an id: its own, else what it runs and where, numbered where that is taken', async () => {
  const { schedules } = await load(`
  - { runbook: compliance, host: all, cron: "0 6 * * *", timezone: Europe/Berlin }
  - { runbook: ./ops/Rotate.yaml, host: "role=web", cron: "@daily", params: { token: "env:TOKEN", force: true } }
  - { runbook: compliance, host: all, cron: "0 18 * * *" }
  - { id: compliance-all, runbook: compliance, host: "web*", cron: "*/10 * * * * *" }
`);
  expect(schedulesOf(schedules)).toEqual([
    expect.objectContaining({ id: 'compliance-all-2', timezone: 'Europe/Berlin', params: {} }),
    expect.objectContaining({ id: 'rotate-role-web', params: { token: 'env:TOKEN', force: true } }),
    expect.objectContaining({ id: 'compliance-all-3' }),
    expect.objectContaining({ id: 'compliance-all', cron: '*/10 * * * * *' }),
  ]);
});

test('every problem of the schedules is told at once, with its place', async () => {
  const message = await load(`
  - { runbook: hang, host: web9, cron: "0 6 * * *" }
  - { runbook: hang, host: "role=db", cron: "0 25 * * *" }
  - { runbook: hang, host: all, cron: "0 6 * * *", timezone: Europe/Atlantis }
  - { runbook: hang, host: all, cron: "2026-01-01T00:00:00" }
  - { runbook: hang, host: all, cron: "0 0 31 2 *" }
  - { id: twice, runbook: hang, host: all, cron: "@hourly" }
  - { id: twice, runbook: hang, host: all, cron: "@hourly" }
`).then(
    () => 'no problem',
    (error: unknown) => messageOf(error),
  );
  const told = message.match(/fleet\.yaml:\d+:\d+: [^;]*/g);
  expect(told).toEqual([
    expect.stringMatching(/:5:28: "web9": no such host/),
    expect.stringMatching(/:6:28: no host is selected by "role=db"/),
    expect.stringMatching(
      /:6:45: "0 25 \* \* \*" is not a cron expression like "0 6 \* \* \*": invalid value for hour: 25/,
    ),
    expect.stringMatching(/:7:62: there is no time zone "Europe\/Atlantis"/),
    expect.stringMatching(/:8:39: "2026-01-01T00:00:00" is a date, not a cron expression/),
    expect.stringMatching(/:9:39: "0 0 31 2 \*" never comes/),
    expect.stringMatching(/:11:11: two schedules have the id "twice"/),
  ]);
});

test('an id is no path', async () => {
  await expect(load('  - { id: "../etc", runbook: hang, host: all, cron: "@hourly" }\n')).rejects.toThrow(
    /:4:11: an id has lower case letters/,
  );
});

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Schedule } from '../../../src/fleet/schedules.ts';
import { unitsOf } from '../../../src/serve/units.ts';

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'hangar-units-'));
const bin = join(folder, 'runbook');
writeFileSync(bin, '#!/bin/sh\n');
chmodSync(bin, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

const nightly: Schedule = {
  id: 'nightly',
  runbook: 'rotate',
  host: 'role=web',
  cron: '0 0 13 * 5',
  timezone: 'Europe/Berlin',
  params: { onFailure: 'keep', dry: false, force: true, note: 'it\'s 100 % "$HOME"; \\ done', only: ['a', '-b'] },
};
const place = { bin, fleet: '/srv/ops/fleet.yaml', state: '/var/lib/hangar', cwd: folder };

test('a service runs what the schedule says, word by word', () => {
  const [service] = unitsOf(nightly, { ...place, user: 'root' }, false);
  const [, command] = /^ExecStart=(.*)$/m.exec(service?.text ?? '') ?? [];
  expect(command).toBe(
    [
      bin,
      'rotate --host=role=web --on-failure=keep --no-dry --force',
      String.raw`"--note=it's 100 %% \"$$HOME\"; \\ done"`,
      '--only=a --only=-b --fleet=/srv/ops/fleet.yaml --state=/var/lib/hangar --format=json --quiet',
    ].join(' '),
  );
});

test('a timer has each event of the expression, and catches a missed one up', () => {
  const [, timer] = unitsOf(nightly, { ...place, user: 'root' }, false);
  expect(timer?.text.match(/^(OnCalendar|Persistent)=.*$/gm)).toEqual([
    'OnCalendar=*-*-13 00:00:00 Europe/Berlin',
    'OnCalendar=Fri *-*-* 00:00:00 Europe/Berlin',
    'Persistent=true',
  ]);
});

test('a runbook that becomes root here keeps the way to it', () => {
  const restricted = unitsOf(nightly, { ...place, user: 'daemon' }, false)[0]?.text;
  const free = unitsOf(nightly, { ...place, user: 'daemon' }, true)[0]?.text;
  expect(restricted).toMatch(/^NoNewPrivileges=yes$/m);
  expect(free).not.toMatch(/^(NoNewPrivileges|Restrict\w+|LockPersonality|SystemCall\w+)=/m);
});

test.skipIf(!hasSystemd).each([
  { whose: 'of the system', user: 'daemon', args: [] },
  { whose: 'of a user', user: undefined, args: ['--user'] },
])('systemd accepts the units $whose', ({ user, args }) => {
  const units = unitsOf(nightly, { ...place, ...(user !== undefined && { user }) }, false);
  const paths = units.map(({ name, text }) => {
    writeFileSync(join(folder, name), text, { mode: 0o644 });
    return join(folder, name);
  });
  expect(verify(args, paths)).toEqual({ status: 0, stderr: '' });
  // It would say so if something were wrong.
  writeFileSync(join(folder, 'hangar-nightly.timer'), '[Timer]\nOnCalendar=never\n');
  expect(verify(args, paths).stderr).toContain('calendar specification');
});

function verify(args: readonly string[], paths: readonly string[]) {
  const { status, stderr } = spawnSync(
    'systemd-analyze',
    [...args, 'verify', '--man=no', '--recursive-errors=no', ...paths],
    {
      encoding: 'utf8',
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
    },
  );
  return { status, stderr };
}

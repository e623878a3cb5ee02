import type { Schedule } from '../fleet/schedules.ts';
import { onCalendar } from './on-calendar.ts';
import { type Place, runArguments } from './run-arguments.ts';

export interface UnitOptions extends Place {
  /** Path of the launcher. */
  readonly bin: string;
  /** Where the runs work. */
  readonly cwd: string;
  /** Who runs them; absent: the units belong to the user's own manager (`systemctl --user`). */
  readonly user?: string;
}

export interface Unit {
  readonly name: string;
  readonly text: string;
}

/**
 * The service and the timer that run a schedule without serve. With `needsRoot` its runbook becomes root on this
 * machine: what takes that possibility away is then left out.
 */
export function unitsOf(schedule: Schedule, options: UnitOptions, needsRoot: boolean): readonly Unit[] {
  const name = `hangar-${schedule.id}`;
  return [
    { name: `${name}.service`, text: serviceText(schedule, options, needsRoot) },
    { name: `${name}.timer`, text: timerText(schedule) },
  ];
}

function serviceText(schedule: Schedule, { bin, cwd, user, ...place }: UnitOptions, needsRoot: boolean): string {
  const isSystem = user !== undefined;
  return lines(
    '[Unit]',
    `Description=${specifierless(describe(schedule))}`,
    ...(isSystem ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${[bin, ...runArguments(schedule, place)].map(quoted).join(' ')}`,
    `WorkingDirectory=${specifierless(cwd)}`,
    ...(isSystem && user !== 'root' ? [`User=${user}`] : []),
    '# Warnings only.',
    'SuccessExitStatus=4',
    '# A run ends in order when it alone is asked to; what it started on hosts is then ended too.',
    'KillMode=mixed',
    'TimeoutStopSec=5min',
    'UMask=0077',
    ...(isSystem ? ['ProtectSystem=full', 'ProtectControlGroups=yes', 'ProtectClock=yes', 'ProtectHostname=yes'] : []),
    ...(needsRoot
      ? ['# Steps of this runbook become root on this machine: no NoNewPrivileges, nor what implies it.']
      : restrictions),
  );
}

/**
 * Each of them implies NoNewPrivileges where the manager does not run the service as root. Left out is what keeps gdb's
 * sandbox (bubblewrap: user namespaces, a proc of its own), ssh or the compiler of Node from working:
 * RestrictNamespaces, ProtectKernelTunables, ProtectProc, PrivateTmp (agent sockets), MemoryDenyWriteExecute.
 */
const restrictions = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'SystemCallArchitectures=native',
];

function timerText(schedule: Schedule): string {
  return lines(
    '[Unit]',
    `Description=${specifierless(describe(schedule))}`,
    '',
    '[Timer]',
    ...onCalendar(schedule).map(event => `OnCalendar=${event}`),
    '# A time that was missed is caught up once.',
    'Persistent=true',
    'AccuracySec=1s',
    '',
    '[Install]',
    'WantedBy=timers.target',
  );
}

function describe({ runbook, host, cron, timezone }: Schedule): string {
  return `Hangar: ${runbook} on ${host} (${cron}${timezone === undefined ? '' : ` ${timezone}`})`.replaceAll(
    /[\n\r]/g,
    ' ',
  );
}

/** One argument of a command line (systemd.service(5), Command Lines; systemd.syntax(7), Quoting). */
function quoted(argument: string): string {
  const text = specifierless(argument).replaceAll('$', '$$$$');
  if (/^[\w@%$+=:,./-]+$/.test(text)) return text;
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\r', String.raw`\r`)
    .replaceAll('\t', String.raw`\t`);
  return `"${escaped}"`;
}

/** `%` begins a specifier (systemd.unit(5)). */
function specifierless(text: string): string {
  return text.replaceAll('%', '%%');
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}

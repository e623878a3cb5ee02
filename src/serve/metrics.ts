import type { ScheduleStatus } from './scheduler.ts';

export interface ServeStatus {
  readonly startedAt: Date;
  readonly isFleetValid: boolean;
  readonly schedules: readonly ScheduleStatus[];
}

/** Prometheus text format (prometheus.io, Exposition formats, version 0.0.4). */
export function renderMetrics({ startedAt, isFleetValid, schedules }: ServeStatus): string {
  return [
    ...family('hangar_serve_start_timestamp_seconds', 'gauge', 'When serve was started.', [
      { value: secondsOf(startedAt.toISOString()) },
    ]),
    ...family('hangar_serve_fleet_file_valid', 'gauge', 'Whether the fleet file can be used now.', [
      { value: isFleetValid ? 1 : 0 },
    ]),
    ...scheduleFamilies.flatMap(({ name, type, help, value }) =>
      family(
        `hangar_schedule_${name}`,
        type,
        help,
        schedules.flatMap(status => {
          const { id, runbook } = status.schedule;
          const known = value(status);
          return known === undefined ? [] : [{ labels: { schedule: id, runbook }, value: known }];
        }),
      ),
    ),
    '',
  ].join('\n');
}

interface ScheduleFamily {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** Undefined where there is nothing to say yet. */
  readonly value: (status: ScheduleStatus) => number | undefined;
}

const scheduleFamilies: readonly ScheduleFamily[] = [
  {
    name: 'last_start_timestamp_seconds',
    type: 'gauge',
    help: 'When it was started last.',
    value: ({ last }) => last && secondsOf(last.startedAt),
  },
  {
    name: 'last_success_timestamp_seconds',
    type: 'gauge',
    help: 'When it last ended with 0, or with warnings only.',
    value: ({ last }) => (last?.lastSuccessAt === undefined ? undefined : secondsOf(last.lastSuccessAt)),
  },
  {
    name: 'last_exit_code',
    type: 'gauge',
    help: 'What the last run that ended did so with; 0 is good, 4 is warnings only.',
    value: ({ ended }) => ended?.exitCode,
  },
  {
    name: 'last_duration_seconds',
    type: 'gauge',
    help: 'How long the last run that ended took.',
    value: ({ ended }) => ended?.seconds,
  },
  {
    name: 'next_timestamp_seconds',
    type: 'gauge',
    help: 'When it comes next.',
    value: ({ next }) => next && secondsOf(next.toISOString()),
  },
  {
    name: 'running',
    type: 'gauge',
    help: 'Whether it is at work now.',
    value: ({ isRunning }) => (isRunning ? 1 : 0),
  },
  {
    name: 'skipped_total',
    type: 'counter',
    help: 'Times that were skipped because a run was still at work.',
    value: ({ skipped }) => skipped,
  },
];

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

function family(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): readonly string[] {
  if (samples.length === 0) return [];
  const lines = samples.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', String.raw`\n`).replaceAll('"', '\\"');
}

function secondsOf(time: string): number {
  return Date.parse(time) / 1000;
}

import type { Compliance } from '../schema.ts';
import { states } from '../schema.ts';
import { isReady } from './standing.ts';

/**
 * Prometheus' text exposition format 0.0.4, for node_exporter's textfile collector: no time stamps of samples, no
 * series twice. A check's series carries the state that it is in; `unknown` is one of them.
 */
export function renderPrometheus(value: Compliance): string {
  return metricsOf(value).map(render).join('');
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
}

function metricsOf({ at, lastSuccess, hosts }: Compliance): readonly Metric[] {
  return [
    {
      name: 'hangar_compliance_check',
      help: 'Always 1: a check of a host, with the state that it is in.',
      samples: hosts.flatMap(({ host, checks }) =>
        checks.map(({ id, state, severity }) => [{ host, check: id, state, severity }, 1] as const),
      ),
    },
    {
      name: 'hangar_compliance_host_checks',
      help: 'Checks of a host by state.',
      samples: hosts.flatMap(({ host, checks }) =>
        states.map(state => [{ host, state }, checks.filter(check => check.state === state).length] as const),
      ),
    },
    {
      name: 'hangar_compliance_host_state',
      help: 'Always 1: a host, with the worst state of its checks.',
      samples: hosts.map(({ host, state }) => [{ host, state }, 1] as const),
    },
    {
      name: 'hangar_compliance_host_ready',
      help: '1 where a host is known to be ready, with warnings and waivers; else 0.',
      samples: hosts.map(host => [{ host: host.host }, isReady(host) ? 1 : 0] as const),
    },
    {
      name: 'hangar_compliance_waiver_expiry_timestamp_seconds',
      help: 'When the waiver of a waived check ends.',
      samples: hosts.flatMap(({ host, checks }) =>
        checks.flatMap(({ id, waiver }) => timed({ host, check: id }, waiver?.expires)),
      ),
    },
    {
      name: 'hangar_compliance_last_run_timestamp_seconds',
      help: 'When the last run was made.',
      samples: timed({}, at),
    },
    {
      name: 'hangar_compliance_last_success_timestamp_seconds',
      help: 'When last every host was asked, whatever was found.',
      samples: timed({}, lastSuccess),
    },
  ];
}

/** No sample where there is no time: a 0 would be 1970. */
function timed(labels: Readonly<Record<string, string>>, time: string | undefined): Metric['samples'] {
  const milliseconds = Date.parse(time ?? '');
  return Number.isNaN(milliseconds) ? [] : [[labels, milliseconds / 1000]];
}

function render({ name, help, samples }: Metric): string {
  if (samples.length === 0) return '';
  // The collector drops the whole file for one series that is there twice; the last one of a kind is kept.
  const series = new Map(samples.map(([labels, value]) => [`${name}${labelsOf(labels)}`, value]));
  const lines = [...series].map(([labelled, value]) => `${labelled} ${value}`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('\n')}\n`;
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** Backslash, quote and line feed are escaped, all else is UTF-8 as it is. */
function escape(value: string): string {
  return value
    .toWellFormed()
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('\n', String.raw`\n`);
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { findFleetFile } from '../../fleet/find-fleet-file.ts';
import { runbookFolders, runbooksIn } from '../runbook-folders.ts';

// What stands in files is read leniently here, without the schemas: they take longer to load than a key may take.

export interface Candidate {
  readonly value: string;
  readonly help?: string;
}

/** The param of a runbook, as far as its file says. */
export interface KnownParam {
  readonly name: string;
  readonly type: string;
  readonly values: readonly string[];
  readonly help: string;
}

/** Host names, labels as `role=web`, and `all`; nothing without an inventory. */
export function hostSelectors(fleetPath: string | undefined): readonly Candidate[] {
  const hosts = Object.entries(mapOf(mapOf(readYaml(fleetPath))['hosts']));
  if (hosts.length === 0) return [];
  const labels = hosts.flatMap(([, host]) =>
    Object.entries(mapOf(mapOf(host)['labels'])).map(([label, value]) => `${label}=${String(value)}`),
  );
  return [
    ...hosts.map(([name, host]) => ({ value: name, help: textOf(mapOf(host)['address']) })),
    ...[...new Set(labels)].map(value => ({ value, help: 'label' })),
    { value: 'all', help: 'every host' },
  ];
}

/** The fleet file that a command line names, else the one found upwards from `cwd`. */
export function fleetPathOf(named: string | undefined, cwd: string): string | undefined {
  return named === undefined ? findFleetFile(cwd) : resolve(cwd, named);
}

/** Those beside the fleet file, and those of the package. */
export function runbookNames(fleetPath: string | undefined): readonly Candidate[] {
  const names = new Map<string, Candidate>();
  for (const folder of runbookFolders(fleetPath))
    for (const value of runbooksIn(folder)) {
      const [, help = ''] = /^summary:\s*["']?(.*?)["']?\s*$/m.exec(readText(join(folder, `${value}.yaml`))) ?? [];
      if (!names.has(value)) names.set(value, { value, help });
    }
  return [...names.values()];
}

/** The params of a runbook by its name or path. */
export function runbookParams(name: string, fleetPath: string | undefined, cwd: string): readonly KnownParam[] {
  const isPath = name.includes('/') || /\.ya?ml$/.test(name);
  const paths = isPath ? [resolve(cwd, name)] : runbookFolders(fleetPath).map(each => join(each, `${name}.yaml`));
  const params = mapOf(mapOf(readYaml(paths.find(existsSync)))['params']);
  return Object.entries(params).map(([each, param]) => {
    const { type, values, help } = mapOf(param);
    return { name: each, type: textOf(type), values: listOf(values).map(textOf), help: textOf(help) };
  });
}

/** Ids of runs, the newest first; with `open` those that are at work, or broke off. */
export function runIds(state: string, { open = false } = {}): readonly Candidate[] {
  return readFolder(join(state, 'runs'))
    .filter(id => existsSync(join(state, 'runs', id, open ? 'run.db-wal' : 'run.db')))
    .toSorted((a, b) => (a < b ? 1 : -1))
    .map(value => ({ value }));
}

export function caseIds(state: string): readonly Candidate[] {
  return readFolder(join(state, 'cases'))
    .filter(id => existsSync(join(state, 'cases', id, 'case.json')))
    .map(value => ({ value }));
}

/** The steps of a run that wait for an approval, else all of its runbook. */
export function runSteps(state: string, run: string): readonly Candidate[] {
  if (!/^[\w.-]+$/.test(run)) return [];
  try {
    const { request, asked } = readRun(join(state, 'runs', run, 'run.db'));
    const { path, files } = mapOf(JSON.parse(request));
    const runbook = mapOf(parse(textOf(mapOf(files)[textOf(path)])));
    const steps = stepIds([runbook['steps'], runbook['rescue'], runbook['always']]);
    return [...new Set(asked.length > 0 ? asked : steps)].map(value => ({ value }));
  } catch {
    return [];
  }
}

/** Without its write-ahead log a database is read as it lies there: SQLite would put files beside it otherwise. */
function readRun(path: string): { readonly request: string; readonly asked: readonly string[] } {
  const url = pathToFileURL(path);
  if (!existsSync(`${path}-wal`)) url.searchParams.set('immutable', '1');
  const database = new DatabaseSync(url, { readOnly: true, timeout: 50 });
  try {
    const asked = new Set<string>();
    for (const { kind, host, step } of database.prepare(questions).all())
      if (kind === 'approval-requested') asked.add(`${textOf(host)}\n${textOf(step)}`);
      else asked.delete(`${textOf(host)}\n${textOf(step)}`);
    const [row] = database.prepare('SELECT json FROM request').all();
    return { request: textOf(row?.['json']), asked: [...asked].map(each => each.split('\n')[1] ?? '') };
  } finally {
    database.close();
  }
}

/** What asks for an approval, and what ends that. */
const questions = `
SELECT json_extract(json, '$.kind') AS kind, json_extract(json, '$.host') AS host, json_extract(json, '$.step') AS step
FROM event WHERE json_extract(json, '$.kind') IN ('approval-requested', 'approval-answered', 'step-ended') ORDER BY seq
`;

function stepIds(lists: readonly unknown[]): readonly string[] {
  return lists.flatMap(listOf).flatMap(each => {
    const { id, rescue, always } = mapOf(each);
    return [...(typeof id === 'string' ? [id] : []), ...stepIds([rescue, always])];
  });
}

function readYaml(path: string | undefined): unknown {
  try {
    return path === undefined ? undefined : parse(readFileSync(path, 'utf8'), { logLevel: 'silent' });
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readFolder(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

import type { HostFacts, PythonModule } from '../../host/facts.ts';

export interface RunningModule extends PythonModule {
  /** Of the processes that run it. */
  readonly pids: readonly number[];
}

/** The files of all running interpreters, each once. */
export function runningModules({ pythons }: Pick<HostFacts, 'pythons'>): readonly RunningModule[] {
  const found = new Map<string, RunningModule>();
  for (const { pid, modules } of pythons)
    for (const each of modules) {
      const key = `${each.path} ${each.buildId} ${each.symbols} ${each.isReadable}`;
      found.set(key, { ...each, pids: [...(found.get(key)?.pids ?? []), pid] });
    }
  return [...found.values()];
}

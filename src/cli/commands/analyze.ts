import { existsSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { type AnalysisOptions, analyze, type CorelessSubject, type Subject } from '../../analyze.ts';
import { indexElfFiles, joinIndexes } from '../../corefile/index-files.ts';
import { HangarError } from '../../errors.ts';
import { unknownHost } from '../../report/build-report.ts';
import { renderReport } from '../../report/render.ts';
import type { Report } from '../../report/schema.ts';
import { directorySources } from '../../steps/source-lookup.ts';
import { storedModules } from '../../steps/stored-modules.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { printResult, reportFormat } from '../output.ts';
import type { CommandSpec } from '../program.ts';
import { showProgress } from '../progress.ts';

interface AnalyzeOptions {
  readonly modules: readonly string[];
  readonly sources?: string;
  readonly native: boolean;
  readonly hash: boolean;
  readonly showQuery: boolean;
  readonly locals: boolean;
}

export const analyzeCommand: CommandSpec = {
  declare: command =>
    command
      .argument('<core|case>', 'a core file (also .zst), a case folder, or the id of a case')
      .option('--modules <dir>', 'ELF files of the host, whatever the layout; found by build-id', collect, [])
      .option('--sources <dir>', 'Python sources, laid out as on the host')
      .option('--no-native', 'Python stacks only, without gdb')
      .option('--hash', 'add the SHA-256 of the uncompressed core', false)
      .option('--show-query', 'show query strings of requests; they may hold secrets', false)
      .option('--locals', 'show arguments and local variables; secrets are masked by name and form', false)
      .addHelpText('after', examples),
  async run(command, options, io) {
    const named = String(command.processedArgs[0]);
    const asked = command.opts<AnalyzeOptions>();
    for (const dir of [...asked.modules, ...(asked.sources === undefined ? [] : [asked.sources])]) mustBeDirectory(dir);
    const { subject, keep } = await subjectOf(named, options, io, asked);
    const progress = await showProgress(options, io);
    try {
      const report = await analyze(
        subject,
        analysisOptions(asked, options, io, text => progress.line(`analyze: ${text}`)),
      );
      progress.end();
      // What was asked for by hand alone, and may hold secrets, is shown and not kept.
      if (!asked.locals && !asked.showQuery) await keep(report);
      printResult(renderReport(report, reportFormat(options)), options, io);
      return 0;
    } finally {
      progress.end();
    }
  },
};

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

interface AskedSubject {
  readonly subject: Subject | CorelessSubject;
  /** Keeps the report with the case, where it is one that has none. */
  readonly keep: (report: Report) => Promise<void>;
}

async function subjectOf(named: string, options: GlobalOptions, io: Io, asked: AnalyzeOptions): Promise<AskedSubject> {
  const path = resolve(io.cwd, named);
  const sources = asked.sources === undefined ? {} : { sources: directorySources(resolve(io.cwd, asked.sources)) };
  if (existsSync(path) && !statSync(path).isDirectory())
    return {
      subject: { core: path, case: basename(path), host: { name: unknownHost }, ...sources },
      keep: () => Promise.resolve(),
    };
  const { keepFirstReport, subjectOf: subjectOfFolder } = await import('../../steps/case-records.ts');
  const { openCase } = await import('../../case/case-folder.ts');
  const folder = await openCase(options.state, existsSync(path) ? path : named);
  return {
    subject: { ...(await subjectOfFolder(folder, options.state)), ...sources },
    keep: report => keepFirstReport(folder, report),
  };
}

function analysisOptions(
  { modules, native, hash, showQuery, locals }: AnalyzeOptions,
  { state }: GlobalOptions,
  { signal, cwd }: Io,
  progress: (text: string) => void,
): AnalysisOptions {
  const dirs = modules.map(dir => resolve(cwd, dir));
  return {
    findFiles: wanted => joinIndexes(storedModules(state, wanted), indexElfFiles(dirs)),
    searched: dirs,
    native,
    hash,
    showQuery,
    locals,
    signal,
    progress,
  };
}

function mustBeDirectory(dir: string): void {
  if (existsSync(dir) && statSync(dir).isDirectory()) return;
  throw new HangarError({
    code: 'NOT_A_DIRECTORY',
    message: `"${dir}" is not a directory`,
    fix: 'name the directory that holds the files: --modules DIR, --sources DIR',
    failure: 'usage',
  });
}

const examples = `
Examples:
  runbook analyze core.4711                      with the module files of this machine, where their build-ids match
  runbook analyze core.zst --modules ./web3-lib  with files copied from the host, in any layout
  runbook analyze 20261124T023000Z-web3          a case again; runbook runs lists them`;

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { CoreFile } from './corefile/core.ts';
import { elfFileReader, type ReadElfFile } from './corefile/elf-file.ts';
import { emptyStacks } from './corefile/empty-stacks.ts';
import type { FileIndex } from './corefile/index-files.ts';
import type { Memory } from './corefile/memory.ts';
import type { Module } from './corefile/module.ts';
import { withModuleFiles } from './corefile/module-memory.ts';
import { openCore } from './corefile/open-core.ts';
import { readModules } from './corefile/read-modules.ts';
import { resolveModules } from './corefile/resolve-modules.ts';
import { modulesOnStacks } from './corefile/stack-modules.ts';
import { type ModuleSymbols, readModuleSymbols } from './corefile/symbols.ts';
import type { ProcessEvidence } from './host/evidence.ts';
import type { NativeStacks } from './native/stacks.ts';
import type { PythonProcess } from './python/process.ts';
import { readPython } from './python/read-python.ts';
import { buildReport, type ReportInput } from './report/build-report.ts';
import type { Report } from './report/schema.ts';
import { coreGap } from './report/summary.ts';
import { judge } from './verdict/judge.ts';
import { judgeEvidence } from './verdict/judge-evidence.ts';

/** A core and what else is known of its incident; everything else may be absent. */
export interface Subject extends Pick<ReportInput, 'case' | 'host' | 'candidates' | 'recovery' | 'sources' | 'notice'> {
  /** An ELF core, plain or `.zst`. */
  readonly core: string;
  readonly capture?: Report['capture'];
  readonly evidence?: ProcessEvidence;
  readonly service?: string;
}

/** What is known of an incident whose core could not be had. */
export interface CorelessSubject extends Omit<Subject, 'core' | 'capture' | 'evidence'> {
  readonly core?: undefined;
  readonly evidence: ProcessEvidence;
  /** Why there is no core. */
  readonly noCore: { readonly why: string; readonly fix?: string };
}

export interface AnalysisOptions {
  /** Finds module files by build-id. */
  readonly findFiles: (modules: readonly Module[]) => FileIndex;
  /** Directories that `findFiles` looks in, for the account of what was not found. */
  readonly searched: readonly string[];
  /** Whether gdb reads native stacks. */
  readonly native: boolean;
  /** Whether the SHA-256 of the uncompressed core is computed: about a second per GiB. */
  readonly hash: boolean;
  readonly showQuery: boolean;
  /** Shows arguments and local variables as short texts, secrets masked by name and form. */
  readonly locals?: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string) => void;
}

/**
 * Says what the threads of a core wait for: core → modules → Python and native stacks → verdict → report.
 * @throws HangarError `NOT_A_CORE`, `CORE_…` when nothing of the core is readable, `CANCELLED`
 */
export async function analyze(subject: Subject | CorelessSubject, options: AnalysisOptions): Promise<Report> {
  if (subject.core === undefined) return analyzeEvidence(subject);
  const clock = new Stopwatch(options.progress);
  const core = await clock.time('open', () =>
    openCore(subject.core, { ...(options.signal && { signal: options.signal }) }),
  );
  try {
    const readFile = elfFileReader();
    const modules = await clock.time('modules', () => findModules(core, { ...options, readFile }));
    const memory = withModuleFiles(core.memory, modules);
    try {
      const symbols = symbolsOf(memory, readFile);
      const python = await clock.time('python', () => pythonOf(core, memory, modules, symbols, options));
      const native = await clock.time('native', () => nativeOf(core, modules, options));
      const verdict = await clock.time('verdict', () =>
        judge({
          core,
          modules,
          memory,
          ...(python && { python }),
          native: native.threads,
          ...(subject.evidence && { evidence: subject.evidence }),
        }),
      );
      const sha256 = options.hash ? await clock.time('hash', () => hashOf(core.path)) : undefined;
      return buildReport({
        ...subject,
        verdict,
        process: describeProcess(subject, core, modules, python),
        capture: { ...given(subject.core, core), ...subject.capture, ...(sha256 !== undefined && { sha256 }) },
        modules: modules.map(module => ({ ...module, symbols: symbols(module).symbols })),
        packages: subject.evidence?.packages ?? {},
        gaps: [...coreGaps(core), ...native.gaps, ...(python?.gaps ?? []), ...(subject.evidence?.gaps ?? noEvidence)],
        timings: clock.timings,
        showQuery: options.showQuery,
      });
    } finally {
      memory.close();
    }
  } finally {
    core.close();
  }
}

/** Says what /proc alone tells: which threads the kernel holds, and whether the process is stopped. */
function analyzeEvidence({ evidence, service, noCore, ...subject }: CorelessSubject): Report {
  return buildReport({
    ...subject,
    verdict: judgeEvidence(evidence),
    process: {
      pid: evidence.pid,
      command: [...evidence.command],
      executable: evidence.executable,
      ...startOf({ evidence, service }),
      pythons: [],
    },
    gaps: [
      { what: coreGap, ...noCore },
      { what: 'Python', why: 'frames, locks and requests are in a core alone' },
      ...evidence.gaps,
    ],
  });
}

/** What else of the host an analysis of a core can use. */
export interface NamedFiles {
  /** Python files that frames of threads and then of suspended tasks name, each once. */
  readonly sources: readonly string[];
  /** What native stacks lead through, with the files that were found; the innermost first. */
  readonly modules: readonly Module[];
}

/** Files that the frames of a core name, found without a debugger. */
export async function namedFiles(
  path: string,
  options: Pick<AnalysisOptions, 'findFiles' | 'signal'>,
): Promise<NamedFiles> {
  const core = await openCore(path, { ...(options.signal && { signal: options.signal }) });
  try {
    const readFile = elfFileReader();
    const modules = findModules(core, { ...options, searched: [], readFile });
    const memory = withModuleFiles(core.memory, modules);
    try {
      const python = pythonOf(core, memory, modules, symbolsOf(memory, readFile));
      // Those of suspended tasks last: what a thread stands in matters more where not all can be had.
      const stacks = [
        ...(python?.threads.map(({ frames }) => frames) ?? []),
        ...(python?.tasks?.map(({ stack }) => stack) ?? []),
      ];
      const sources = new Set(stacks.flatMap(frames => frames.map(({ file }) => file)));
      return { sources: [...sources], modules: modulesOnStacks(core, modules) };
    } finally {
      memory.close();
    }
  } finally {
    core.close();
  }
}

function findModules(
  core: CoreFile,
  {
    findFiles,
    searched,
    readFile,
  }: Pick<AnalysisOptions, 'findFiles' | 'searched'> & { readonly readFile: ReadElfFile },
): readonly Module[] {
  const modules = readModules(core);
  return resolveModules(modules, findFiles(modules), { localPaths: true, searched, readFile });
}

type SymbolsOf = (module: Module) => ModuleSymbols;

/** Each module's symbol tables are opened once, when first asked for. */
function symbolsOf(memory: Memory, readFile: ReadElfFile): SymbolsOf {
  const opened = new Map<Module, ModuleSymbols>();
  return module => {
    const symbols = opened.get(module) ?? readModuleSymbols(module, memory, readFile);
    opened.set(module, symbols);
    return symbols;
  };
}

function pythonOf(
  core: CoreFile,
  memory: Memory,
  modules: readonly Module[],
  symbols: SymbolsOf,
  { locals = false }: Pick<AnalysisOptions, 'locals'> = {},
): PythonProcess | undefined {
  const symbol = (module: Module, name: string) => symbols(module).find(name)?.address;
  return readPython({ memory, core, modules, symbol }, { locals });
}

async function nativeOf(
  core: CoreFile,
  modules: readonly Module[],
  { native, signal }: AnalysisOptions,
): Promise<NativeStacks> {
  if (!native) return { threads: [], gaps: [{ what: 'native stacks', why: 'not asked for (--no-native)' }] };
  const { readNativeStacks } = await import('./native/read-native-stacks.ts');
  return readNativeStacks({ core, modules, ...(signal && { signal }) });
}

function describeProcess(
  subject: Subject,
  { process }: CoreFile,
  modules: readonly Module[],
  python: PythonProcess | undefined,
): Report['process'] {
  const { evidence } = subject;
  const executable = modules.find(({ isExecutable }) => isExecutable);
  return {
    pid: process.pid,
    command: [...(evidence?.command ?? process.args.split(' '))],
    executable: evidence?.executable ?? executable?.path ?? executable?.name ?? process.name,
    ...startOf(subject),
    pythons: python ? [python.version] : [],
  };
}

/** As what, by whom and when a process was started, as far as it is known. */
function startOf({
  evidence,
  service,
}: {
  readonly evidence?: ProcessEvidence | undefined;
  readonly service?: string | undefined;
}): Pick<Report['process'], 'service' | 'user' | 'startedAt'> {
  return {
    ...(service !== undefined && { service }),
    ...(evidence?.user !== undefined && { user: evidence.user }),
    ...(evidence?.startedAt !== undefined && { startedAt: evidence.startedAt }),
  };
}

async function hashOf(path: string): Promise<string> {
  const { hashFile } = await import('./corefile/hash-file.ts');
  return hashFile(path);
}

function given(path: string, core: CoreFile): NonNullable<Report['capture']> {
  const stored = statSync(path).size;
  return { method: 'given', coreBytes: core.bytes, ...(stored !== core.bytes && { storedBytes: stored }) };
}

const noEvidence: Report['gaps'] = [
  {
    what: 'what /proc says of the process',
    why: 'only its core is here, which shows one moment: not whether a wait lasts, nor who is at the other end of a socket or pipe',
    fix: 'let `runbook hang` or `runbook capture` take both',
  },
];

function coreGaps(core: CoreFile): Report['gaps'] {
  return [...truncationGaps(core), ...emptyStackGaps(core)];
}

function truncationGaps({ truncated, path }: CoreFile): Report['gaps'] {
  if (truncated === undefined) return [];
  const { expectedBytes, foundBytes } = truncated;
  return [
    {
      what: 'end of the core',
      why: `${basename(path)} is cut off: ${foundBytes} of ${expectedBytes} bytes`,
      fix: 'what is here is read; for all of it copy the core again, or take a new one',
    },
  ];
}

function emptyStackGaps(core: CoreFile): Report['gaps'] {
  // Of a core that is cut off it is known already.
  const lwps = core.truncated === undefined ? emptyStacks(core) : [];
  if (lwps.length === 0) return [];
  return [
    {
      what: `stack of thread${lwps.length === 1 ? '' : 's'} ${lwps.join(', ')}`,
      why: 'the core has nothing there: gdb gave up at a guard page inside the mapping, or a filter left it out',
      fix: 'take the core with `runbook hang`, which fills such stacks in, or with gdb 18',
    },
  ];
}

/** Wall time of each stage, in order. */
class Stopwatch {
  readonly timings: Report['timings'] = [];
  readonly #progress: (text: string) => void;

  constructor(progress: (text: string) => void = () => {}) {
    this.#progress = progress;
  }

  async time<T>(stage: string, act: () => T | Promise<T>): Promise<T> {
    this.#progress(stage);
    // Not `performance`, which loads ten modules of Node.
    const start = process.hrtime.bigint();
    const result = await act();
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
    this.timings.push({ stage, seconds: Math.round(milliseconds) / 1000 });
    return result;
  }
}

import { homedir } from 'node:os';
import { kebabCase } from '../../runbook/names.ts';
import {
  type Candidate,
  caseIds,
  fleetPathOf,
  hostSelectors,
  runbookNames,
  runbookParams,
  runIds,
  runSteps,
} from './known.ts';

/** What may stand where the cursor is. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of files, or of folders, that the shell completes itself. */
  readonly paths?: 'files' | 'folders';
}

/** An option of the command line. */
export interface KnownOption {
  /** `--host` */
  readonly flag: string;
  readonly help: string;
  /** Absent: it takes none. */
  readonly value?: OptionValue;
  /** It may stand without its value; with it, only as `--wait=10m`. */
  readonly isValueOptional?: boolean;
}

type OptionValue =
  | { readonly kind: 'any' | 'hosts' | 'files' | 'folders' }
  | { readonly kind: 'one-of'; readonly values: readonly string[] };

export interface CompletionContext {
  readonly cwd: string;
  /** Where none is named. */
  readonly state: string;
  /** Each command with its summary. */
  readonly commands: readonly Candidate[];
  readonly globalOptions: () => readonly KnownOption[];
  readonly commandOptions: (command: string) => Promise<readonly KnownOption[]>;
  /** What its argument may be, where that is a closed set. */
  readonly argumentValues: (command: string) => Promise<readonly string[]>;
}

/**
 * Completes the last of the words that stand behind the program's name, whatever else stands there. Values are whole
 * words: `--host=web3` for `--host=w`.
 */
export async function complete(words: readonly string[], context: CompletionContext): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const line = new Line(words.slice(0, -1), context);
  const { candidates, paths } = await candidatesFor(current, line);
  return {
    candidates: candidates.filter(({ value }) => value.startsWith(current)),
    ...(paths && { paths }),
  };
}

/** The words before the one that is completed. */
class Line {
  readonly context: CompletionContext;
  readonly command: string | undefined;
  readonly #words: readonly string[];

  constructor(words: readonly string[], context: CompletionContext) {
    this.context = context;
    this.#words = words;
    this.command = words.find(
      (word, at) => !word.startsWith('-') && !valuedBeforeCommand.includes(words[at - 1] ?? ''),
    );
  }

  get last(): string {
    return this.#words.at(-1) ?? '';
  }

  get fleetPath(): string | undefined {
    return fleetPathOf(this.#valueOf('--fleet'), this.context.cwd);
  }

  get state(): string {
    return this.#valueOf('--state') ?? this.context.state;
  }

  get isBuiltIn(): boolean {
    return this.context.commands.some(({ value }) => value === this.command);
  }

  /** The words behind the command that are neither options nor their values. */
  arguments(options: readonly KnownOption[]): readonly string[] {
    const behind = this.#words.slice(this.command === undefined ? 0 : this.#words.indexOf(this.command) + 1);
    return behind.filter(
      (word, at) => !word.startsWith('-') && valueWanted(behind[at - 1] ?? '', options) === undefined,
    );
  }

  async options(): Promise<readonly KnownOption[]> {
    const { command, context } = this;
    if (command === undefined) return context.globalOptions();
    const own = this.isBuiltIn ? await context.commandOptions(command) : this.#runbookOptions(command);
    return [...own, ...context.globalOptions()];
  }

  #runbookOptions(name: string): readonly KnownOption[] {
    const params = runbookParams(name, this.fleetPath, this.context.cwd).flatMap(
      ({ name: param, type, values, help }) => {
        const flag = kebabCase(param);
        if (type === 'boolean')
          return [
            { flag: `--${flag}`, help },
            { flag: `--no-${flag}`, help: `not: ${help}` },
          ];
        return [{ flag: `--${flag}`, help, value: paramValue(type, values) }];
      },
    );
    return [...params, ...runOptions];
  }

  #valueOf(option: string): string | undefined {
    const at = this.#words.findIndex(word => word === option || word.startsWith(`${option}=`));
    const word = this.#words[at];
    if (word === undefined) return undefined;
    const value = word === option ? this.#words[at + 1] : word.slice(option.length + 1);
    return value?.replace(/^~(?=\/|$)/, homedir());
  }
}

/** Options that may stand before the command and take a value. */
const valuedBeforeCommand = ['--state', '--fleet', '--format', '--output', '--events', '--host', '--except'];

/** Options of every runbook. */
const runOptions: readonly KnownOption[] = [
  { flag: '--host', help: 'name, web*, role=web, all', value: { kind: 'hosts' } },
  { flag: '--except', help: 'leave these out', value: { kind: 'hosts' } },
  {
    flag: '--dry-run',
    help: 'print every command that would run, and do nothing',
    value: { kind: 'one-of', values: ['probe'] },
    isValueOptional: true,
  },
  { flag: '--wait', help: 'wait for another run on the same host', value: { kind: 'any' }, isValueOptional: true },
];

function paramValue(type: string, values: readonly string[]): OptionValue {
  if (type === 'path') return { kind: 'files' };
  return type === 'enum' ? { kind: 'one-of', values } : { kind: 'any' };
}

async function candidatesFor(current: string, line: Line): Promise<Completion> {
  const { command } = line;
  if (
    command === undefined &&
    !current.startsWith('-') &&
    valueWanted(line.last, line.context.globalOptions()) === undefined
  )
    return commandsAndRunbooks(current, line);
  // The options of a command are not asked for where they do not matter: its module would be loaded for them.
  const mayWantOptions = current.startsWith('-') || line.last.startsWith('-') || !line.isBuiltIn;
  const options = mayWantOptions ? await line.options() : line.context.globalOptions();
  const [, flag, separator] = /^(--[\w-]+)(=)/.exec(current) ?? [];
  const attached = separator === undefined ? undefined : options.find(each => each.flag === flag)?.value;
  if (separator !== undefined) return attached === undefined ? none : valuesOf(attached, line, `${flag}=`);
  const wanted = valueWanted(line.last, options);
  if (wanted !== undefined) return valuesOf(wanted, line);
  if (current.startsWith('-')) return { candidates: [...options, helpOption].flatMap(optionCandidates) };
  return command === undefined ? none : argumentsOf(command, line, await line.options());
}

const none: Completion = { candidates: [] };
const helpOption: KnownOption = { flag: '--help', help: 'what it takes' };

/** What the option that stands before the word takes; undefined where the word is no value of it. */
function valueWanted(word: string, options: readonly KnownOption[]): OptionValue | undefined {
  const found = options.find(({ flag }) => flag === word);
  return found?.isValueOptional === true ? undefined : found?.value;
}

function valuesOf(value: OptionValue, line: Line, prefix = ''): Completion {
  switch (value.kind) {
    case 'any':
      return none;
    case 'files':
    case 'folders':
      return { candidates: [], paths: value.kind };
    case 'hosts':
      return { candidates: prefixed(hostSelectors(line.fleetPath), prefix) };
    case 'one-of':
      return {
        candidates: prefixed(
          value.values.map(each => ({ value: each })),
          prefix,
        ),
      };
    default:
      return value satisfies never;
  }
}

function prefixed(candidates: readonly Candidate[], prefix: string): readonly Candidate[] {
  return candidates.map(each => ({ ...each, value: `${prefix}${each.value}` }));
}

function optionCandidates({ flag, help, value, isValueOptional }: KnownOption): readonly Candidate[] {
  const whole = isValueOptional === true && value?.kind === 'one-of' ? value.values : [];
  return [{ value: flag, help }, ...whole.map(each => ({ value: `${flag}=${each}`, help }))];
}

function commandsAndRunbooks(current: string, { fleetPath, context }: Line): Completion {
  const isPath = /[/.~]/.test(current);
  return {
    candidates: [...runbookNames(fleetPath), ...context.commands],
    ...(isPath && { paths: 'files' as const }),
  };
}

async function argumentsOf(command: string, line: Line, options: readonly KnownOption[]): Promise<Completion> {
  if (!line.isBuiltIn) return none;
  const before = line.arguments(options);
  const { state } = line;
  switch (command) {
    case 'show':
      return before.length > 0 ? none : { candidates: [...runIds(state), ...caseIds(state)] };
    case 'resume':
      return before.length > 0 ? none : { candidates: runIds(state) };
    case 'cancel':
      return before.length > 0 ? none : { candidates: runIds(state, { open: true }) };
    case 'approve': {
      const [run] = before;
      if (run === undefined) return { candidates: runIds(state, { open: true }) };
      return before.length > 1 ? none : { candidates: runSteps(state, run) };
    }
    case 'analyze':
      return before.length > 0 ? none : { candidates: caseIds(state), paths: 'files' };
    case 'validate':
      return { candidates: [], paths: 'files' };
    default: {
      if (before.length > 0) return none;
      const values = await line.context.argumentValues(command);
      return { candidates: values.map(value => ({ value })) };
    }
  }
}

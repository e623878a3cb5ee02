import type { PythonTask, TaskWait } from '../../../src/python/process.ts';
import { judge, type Verdict } from '../../../src/verdict/judge.ts';
import type { JudgeInput } from '../../../src/verdict/judge-input.ts';
import { call, frame, inputOf, standsStill, stdlib, type ThreadDraft } from './make.ts';

/** A suspended task; the objects that it waits for and holds are named. */
export interface TaskDraft {
  readonly name: string;
  /** Innermost first, `shop.py:9 order`. */
  readonly stack?: readonly string[];
  /** What it waits for: of a lock and the like, `on` names it. */
  readonly waits?: Partial<Omit<TaskWait, 'address'>> & { readonly kind: TaskWait['kind']; readonly on?: string };
  /** Names of tasks that have to act. */
  readonly for?: readonly string[];
  readonly any?: boolean;
  /** Objects whose block it is in. */
  readonly holds?: readonly string[];
  readonly inCycle?: boolean;
  /** GET */
  readonly path?: string;
  readonly method?: string;
  readonly state?: PythonTask['state'];
  readonly kind?: PythonTask['kind'];
  /** null: it is not known which thread runs it. */
  readonly lwp?: number | null;
  readonly isHub?: boolean;
}

/** A thread that waits in its event loop for whatever comes first. */
export const looping = (rest: Partial<ThreadDraft> = {}): ThreadDraft => ({
  lwp: 7,
  frames: [frame(`${stdlib}/selectors.py:468 EpollSelector.select`), frame('shop.py:99 <module>')],
  syscall: call('epoll_wait', 3n, 0n, 1n, 0xffff_ffff_ffff_ffffn),
  proc: standsStill,
  ...rest,
});

/** Where clients connect to, and one that has. */
const served = [
  { fd: 4, target: 'socket:[70]', socket: { protocol: 'tcp', local: '0.0.0.0:80', state: 'LISTEN' } },
  {
    fd: 6,
    target: 'socket:[78]',
    socket: { protocol: 'tcp', local: '10.0.0.3:80', peer: '10.0.0.4:50000', state: 'ESTABLISHED' },
  },
] as const;

/** What is found of threads, and of tasks that the first of them runs unless they say otherwise. */
export function judged(
  tasks: readonly TaskDraft[],
  threads: readonly ThreadDraft[] = [looping()],
  rest: Partial<JudgeInput> = {},
): Verdict {
  const input = inputOf(threads, rest);
  if (input.python === undefined) throw new Error('no Python');
  const addresses = addressesOf(tasks);
  const evidence = input.evidence && {
    ...input.evidence,
    descriptors: [...input.evidence.descriptors, ...served],
  };
  return judge({
    ...input,
    ...(evidence && { evidence }),
    python: { ...input.python, tasks: tasks.map(task => taskOf(task, addresses, threads[0]?.lwp)) },
  });
}

/** Each name, of a task or of an object, is one address. */
function addressesOf(tasks: readonly TaskDraft[]): (name: string) => bigint {
  const names = [...new Set(tasks.flatMap(({ name, waits, holds = [] }) => [name, waits?.on ?? name, ...holds]))];
  return name => 0x1000n * BigInt(names.indexOf(name) + 1);
}

function taskOf(draft: TaskDraft, addressOf: (name: string) => bigint, loopLwp = 0): PythonTask {
  const {
    name,
    stack = ['shop.py:9 order'],
    waits,
    any = false,
    holds = [],
    method = 'GET',
    path,
    lwp = loopLwp,
  } = draft;
  const { on, ...wait } = waits ?? {};
  return {
    kind: draft.kind ?? 'asyncio',
    address: addressOf(name),
    interpreter: 0,
    name,
    loop: 0x10n,
    ...(lwp !== null && { lwp }),
    state: draft.state ?? 'waiting',
    stack: stack.map(text => frame(text)).map(({ function: called, file, line }) => ({ function: called, file, line })),
    ...(waits?.fd !== undefined && { awaits: `asyncio.StreamReader.read (descriptor ${waits.fd})` }),
    ...(draft.for && { waitsFor: draft.for.map(addressOf) }),
    ...(any && { anyWillDo: true }),
    ...(waits && {
      waits: {
        confidence: 'proven',
        evidence: [{ text: 'waits here', address: 0x30n, value: 0x1n, bytes: 8 }],
        ...(on !== undefined && { address: addressOf(on) }),
        ...wait,
        kind: waits.kind,
      },
    }),
    ...(holds.length > 0 && {
      holds: holds.map(held => ({
        address: addressOf(held),
        at: { file: 'shop.py', line: 3 },
        evidence: [{ text: 'inside the block', address: 0x40n, value: addressOf(held), bytes: 8 }] as const,
      })),
    }),
    ...(draft.inCycle === true && { inCycle: true }),
    ...(draft.isHub === true && { isHub: true }),
    ...(path !== undefined && { request: { method, path } }),
  };
}

/** Class, sureness, functions of the roots with their tasks, and how many more tasks stand behind them. */
export function brief({ findings }: Verdict): readonly string[] {
  return findings.map(({ class: kind, confidence, roots, tasks = [] }) => {
    const places = roots.map(({ function: name, task }) => (task === undefined ? name : `${name} of ${task.name}`));
    return `${kind} ${confidence}: ${places.join(', ')}; ${tasks.length} behind`;
  });
}

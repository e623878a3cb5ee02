import type { GcLayout, GreenletLayout } from '../../src/python/greenlets/greenlet-layout.ts';
import { type Constants, evaluate, offsetOf } from './dwarf.ts';
import type { Interpreter } from './interpreter.ts';

/** A greenlet table without the range of releases that it serves. */
export type GreenletTable = Omit<GreenletLayout, 'releases' | 'source'>;

/** What the DWARF of one build of greenlet says: `_greenlet.….so`, up to 0.4 `greenlet.….so`. */
export function makeGreenletTable(minor: string, library: string): GreenletTable {
  const expressions = [...inC, ...inCpp].flatMap(([type, ...members]) => members.map(member => offsetOf(type, member)));
  const constants = evaluate(library, expressions);
  return constants.has(offsetOf('PyGreenlet', 'pimpl')) ? tableOfCpp(minor, constants) : tableOfC(minor, constants);
}

const state = "'greenlet::Greenlet'";
const user = "'greenlet::UserGreenlet'";
const main = "'greenlet::MainGreenlet'";
const thread = "'greenlet::ThreadState'";

const inC: readonly (readonly [string, ...string[]])[] = [
  [
    'PyGreenlet',
    'stack_start',
    'stack_stop',
    'stack_copy',
    'stack_saved',
    'top_frame',
    'current_frame',
    'parent',
    'pimpl',
  ],
];
const inCpp: readonly (readonly [string, ...string[]])[] = [
  [state, '_self', 'python_state._top_frame', 'python_state.current_frame'],
  [state, ...['_stack_start', 'stack_stop', 'stack_copy', '_stack_saved'].map(member => `stack_state.${member}`)],
  [user, '_self', '_parent', '_main_greenlet'],
  [main, '_thread_state'],
  [thread, 'current_greenlet'],
];

/** greenlet 0.4 and 1: one structure in C. */
function tableOfC(minor: string, constants: Constants): GreenletTable {
  const offset = (member: string) => needed(constants, offsetOf('PyGreenlet', member));
  const currentFrame = constants.get(offsetOf('PyGreenlet', 'current_frame'));
  return {
    minor,
    stack: {
      start: offset('stack_start'),
      stop: offset('stack_stop'),
      copy: offset('stack_copy'),
      saved: offset('stack_saved'),
    },
    topFrame: offset('top_frame'),
    ...(currentFrame !== undefined && { currentFrame }),
    parent: offset('parent'),
  };
}

/** From greenlet 2 on: classes in C++. */
function tableOfCpp(minor: string, constants: Constants): GreenletTable {
  const offset = (type: string, member: string) => needed(constants, offsetOf(type, member));
  const currentFrame = constants.get(offsetOf(state, 'python_state.current_frame'));
  return {
    minor,
    state: offset('PyGreenlet', 'pimpl'),
    self: constants.get(offsetOf(state, '_self')) ?? offset(user, '_self'),
    stack: {
      start: offset(state, 'stack_state._stack_start'),
      stop: offset(state, 'stack_state.stack_stop'),
      copy: offset(state, 'stack_state.stack_copy'),
      saved: offset(state, 'stack_state._stack_saved'),
    },
    topFrame: offset(state, 'python_state._top_frame'),
    ...(currentFrame !== undefined && { currentFrame }),
    parent: offset(user, '_parent'),
    thread: {
      main: offset(user, '_main_greenlet'),
      state: offset(main, '_thread_state'),
      current: offset(thread, 'current_greenlet'),
    },
  };
}

/** Where an installed interpreter lists what its collector tracks. */
export function makeGcLayout({ minor, version, library, root }: Interpreter): GcLayout {
  const runtime = offsetOf('_PyRuntimeState', 'gc.generations');
  const interpreter = offsetOf('PyInterpreterState', 'gc.generations');
  const permanent = [
    offsetOf('_PyRuntimeState', 'gc.permanent_generation'),
    offsetOf('PyInterpreterState', 'gc.permanent_generation'),
  ];
  const step = 'sizeof(struct gc_generation)';
  const size = 'sizeof(PyGC_Head)';
  const links = ['_gc_next', '_gc_prev', 'gc.gc_next', 'gc.gc_prev'].map(member => offsetOf('PyGC_Head', member));
  const constants = evaluate(library, [runtime, interpreter, ...permanent, step, size, ...links], root);
  const first = constants.get(runtime) ?? constants.get(interpreter) ?? 0;
  const last = permanent.map(expression => constants.get(expression)).find(found => found !== undefined);
  const young = [0, 1, 2].map(generation => first + generation * needed(constants, step));
  const offsets = last === undefined ? young : [...young, last];
  const [next, previous, olderNext, olderPrevious] = links.map(link => constants.get(link));
  return {
    minor,
    source: { version, structures: `DWARF of ${library.split('/').at(-1)}` },
    heads: constants.has(runtime)
      ? { in: 'runtime', offsets }
      : constants.has(interpreter)
        ? { in: 'interpreter', offsets }
        : { in: 'variable', symbol: '_PyGC_generation0', offsets },
    next: present(next ?? olderNext),
    previous: present(previous ?? olderPrevious),
    size: needed(constants, size),
  };
}

function needed(constants: Constants, expression: string): number {
  const value = constants.get(expression);
  if (value === undefined) throw new Error(`the DWARF has no ${expression}`);
  return value;
}

function present(value: number | undefined): number {
  if (value === undefined) throw new Error('the DWARF has no PyGC_Head');
  return value;
}

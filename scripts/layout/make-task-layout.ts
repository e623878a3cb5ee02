import { join } from 'node:path';
import type { TaskLayout } from '../../src/python/tasks/task-layout.ts';
import { type Constants, evaluate, offsetOf } from './dwarf.ts';
import { type Interpreter, runPython } from './interpreter.ts';

/** The task table of an installed interpreter: offsets from the DWARF of CPython and of its `_asyncio` module. */
export function makeTaskLayout(interpreter: Interpreter): TaskLayout {
  const { minor, version, library, root = '' } = interpreter;
  const extension = join(root, runPython(interpreter, 'import _asyncio; print(_asyncio.__file__)').trim());
  const module = read(extension, root, moduleExpressions);
  const core = read(library, root, coreExpressions);
  const offset = (type: string, ...members: readonly string[]) => needed(core, type, members);
  const task = (member: string) => needed(module, 'TaskObj', [member]);
  const name = module.get(offsetOf('TaskObj', 'task_name'));
  const node = module.get(offsetOf('TaskObj', 'task_node'));
  return {
    minor,
    source: { version, structures: [library, extension].map(path => `DWARF of ${path.split('/').at(-1)}`).join(', ') },
    task: {
      size: present(module, 'sizeof(TaskObj)'),
      loop: task('task_loop'),
      coroutine: task('task_coro'),
      ...(name !== undefined && { name }),
      state: task('task_state'),
      waiter: task('task_fut_waiter'),
    },
    ...(node !== undefined && {
      lists: {
        thread: offset('_PyThreadStateImpl', 'asyncio_tasks_head'),
        interpreter: offset('PyInterpreterState', 'asyncio_tasks_head'),
        node,
        previous: offset('struct llist_node', 'prev'),
        described: {
          state: offset('PyModuleObject', 'md_state'),
          pointer: needed(module, 'asyncio_state', ['debug_offsets']),
          size: present(module, `sizeof(${description})`),
          thread: needed(module, description, ['asyncio_thread_state.asyncio_tasks_head']),
          interpreter: needed(module, description, ['asyncio_interpreter_state.asyncio_tasks_head']),
          node: needed(module, description, ['asyncio_task_object.task_node']),
        },
      },
    }),
    generator: generatorLayout(core),
    stackTop: stackTop(core),
    awaiting: awaiting(interpreter, core),
    ...enterAsync(interpreter),
    future: { callback: needed(module, 'FutureObj', ['fut_callback0']) },
    closure: offset('PyFunctionObject', 'func_closure'),
    between: {
      async_generator_asend: offset('PyAsyncGenASend', 'ags_gen'),
      async_generator_athrow: offset('PyAsyncGenAThrow', 'agt_gen'),
      coroutine_wrapper: offset('PyCoroWrapper', 'cw_coroutine'),
    },
    set: {
      mask: offset('PySetObject', 'mask'),
      table: offset('PySetObject', 'table'),
      entry: present(core, 'sizeof(setentry)'),
      key: offset('setentry', 'key'),
    },
    list: { items: offset('PyListObject', 'ob_item') },
    referent: offset('PyWeakReference', 'wr_object'),
  };
}

function generatorLayout(core: Constants): TaskLayout['generator'] {
  const state = core.get(offsetOf('PyGenObject', 'gi_frame_state'));
  return {
    frame: needed(core, 'PyGenObject', ['gi_frame', 'gi_iframe']),
    qualifiedName: needed(core, 'PyGenObject', ['gi_qualname']),
    ...(state !== undefined && {
      state: { offset: state, created: present(core, 'FRAME_CREATED'), executing: present(core, 'FRAME_EXECUTING') },
    }),
  };
}

function stackTop(core: Constants): TaskLayout['stackTop'] {
  const depth = core.get(offsetOf('PyFrameObject', 'f_stackdepth'));
  const slots = core.get(offsetOf('_PyInterpreterFrame', 'stacktop'));
  if (slots !== undefined) return { as: 'slots', offset: slots };
  if (depth !== undefined) return { as: 'depth', offset: depth };
  const offset =
    core.get(offsetOf('_PyInterpreterFrame', 'stackpointer')) ?? core.get(offsetOf('PyFrameObject', 'f_stacktop'));
  if (offset === undefined) throw new Error('no field says how high the value stack is');
  return { as: 'pointer', offset };
}

function awaiting(interpreter: Interpreter, core: Constants): TaskLayout['awaiting'] {
  const value = core.get('FRAME_SUSPENDED_YIELD_FROM');
  if (value !== undefined) return { by: 'state', value };
  const opcode = runPython(interpreter, 'import opcode; print(opcode.opmap.get("YIELD_FROM", ""))').trim();
  // Objects/genobject.c of 3.11 and 3.12, _PyGen_yf.
  return opcode === '' ? { by: 'argument', minimum: 2 } : { by: 'instruction', opcode: Number(opcode) };
}

function enterAsync(interpreter: Interpreter): Pick<TaskLayout, 'enterAsync'> {
  const opcode = runPython(interpreter, 'import opcode; print(opcode.opmap.get("SETUP_ASYNC_WITH", ""))').trim();
  return opcode === '' ? {} : { enterAsync: Number(opcode) };
}

const description = 'Py_AsyncioModuleDebugOffsets';

const moduleExpressions = [
  offsetOf('FutureObj', 'fut_callback0'),
  'sizeof(TaskObj)',
  ...['task_loop', 'task_coro', 'task_name', 'task_state', 'task_fut_waiter', 'task_node'].map(member =>
    offsetOf('TaskObj', member),
  ),
  offsetOf('asyncio_state', 'debug_offsets'),
  `sizeof(${description})`,
  ...['thread_state.asyncio_tasks_head', 'interpreter_state.asyncio_tasks_head', 'task_object.task_node'].map(member =>
    offsetOf(description, `asyncio_${member}`),
  ),
];

const coreExpressions = [
  'sizeof(setentry)',
  'FRAME_CREATED',
  'FRAME_EXECUTING',
  'FRAME_SUSPENDED_YIELD_FROM',
  ...[
    ['_PyThreadStateImpl', 'asyncio_tasks_head'],
    ['PyInterpreterState', 'asyncio_tasks_head'],
    ['struct llist_node', 'prev'],
    ['PyModuleObject', 'md_state'],
    ['PyFunctionObject', 'func_closure'],
    ['PyGenObject', 'gi_frame'],
    ['PyGenObject', 'gi_iframe'],
    ['PyGenObject', 'gi_frame_state'],
    ['PyGenObject', 'gi_qualname'],
    ['PyFrameObject', 'f_stackdepth'],
    ['PyFrameObject', 'f_stacktop'],
    ['_PyInterpreterFrame', 'stacktop'],
    ['_PyInterpreterFrame', 'stackpointer'],
    ['PyAsyncGenASend', 'ags_gen'],
    ['PyAsyncGenAThrow', 'agt_gen'],
    ['PyCoroWrapper', 'cw_coroutine'],
    ['PySetObject', 'mask'],
    ['PySetObject', 'table'],
    ['setentry', 'key'],
    ['PyListObject', 'ob_item'],
    ['PyWeakReference', 'wr_object'],
  ].map(([type = '', member = '']) => offsetOf(type, member)),
];

function read(library: string, root: string, expressions: readonly string[]): Constants {
  return evaluate(library, expressions, root === '' ? undefined : root);
}

function needed(constants: Constants, type: string, members: readonly string[]): number {
  const found = members.map(member => constants.get(offsetOf(type, member))).find(value => value !== undefined);
  if (found === undefined) throw new Error(`the DWARF has no ${type}.${members.join('|')}`);
  return found;
}

function present(constants: Constants, expression: string): number {
  const value = constants.get(expression);
  if (value === undefined) throw new Error(`the DWARF has no ${expression}`);
  return value;
}

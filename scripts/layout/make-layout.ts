import type {
  CodeLayout,
  DebugOffsetsLayout,
  DictLayout,
  FrameHead,
  FrameLayout,
  GilLayout,
  InstanceLayout,
  IntegerLayout,
  Layout,
  LockStateLayout,
  Opcodes,
  RequestsLayout,
  RuntimeLayout,
  TextLayout,
  ValuesLayout,
} from '../../src/python/layout.ts';
import { evaluate, offsetOf } from './dwarf.ts';
import { type Interpreter, runPython } from './interpreter.ts';

/** The layout table of an installed interpreter: offsets from its DWARF, instruction numbers from itself. */
export function makeLayout(interpreter: Interpreter): Layout {
  const instructions = readInstructions(interpreter);
  const known = new Map<string, number | undefined>();
  // One answer decides what is asked next (shapes), so rounds go on until a round asks nothing new.
  for (;;) {
    const asked = new Set<string>();
    const note = (expression: string) => {
      if (!known.has(expression)) asked.add(expression);
      return known.get(expression);
    };
    compose(interpreter, { value: note, pretend: true }, instructions);
    if (asked.size === 0) break;
    for (const [library, expressions] of byLibrary(interpreter, [...asked])) {
      if (expressions.length === 0) continue;
      const constants = evaluate(library, expressions, interpreter.root);
      for (const expression of expressions) known.set(expression, constants.get(expression));
    }
  }
  return compose(interpreter, { value: expression => known.get(expression), pretend: false }, instructions);
}

/** Sockets are an extension's, where that is a file of its own. */
function byLibrary(
  interpreter: Interpreter,
  expressions: readonly string[],
): readonly (readonly [library: string, expressions: readonly string[]])[] {
  const [own, others] = [false, true].map(is => expressions.filter(text => text.includes('PySocket') === is));
  const question = 'import _socket; print(getattr(_socket, "__file__", ""))';
  const file = others?.length ? runPython(interpreter, question).trim() : '';
  const library = file === '' ? interpreter.library : `${interpreter.root ?? ''}${file}`;
  return [
    [interpreter.library, own ?? []],
    [library, others ?? []],
  ];
}

interface Source {
  value(expression: string): number | undefined;
  /** Whether a missing value is only not asked for yet. */
  readonly pretend: boolean;
}

function compose(interpreter: Interpreter, source: Source, instructions: Instructions): Layout {
  const debugOffsets = debugOffsetsLayout(source);
  return {
    minor: interpreter.minor.replace(/t$/, ''),
    ...(isFreeThreaded(source) && { freeThreaded: true }),
    source: {
      version: interpreter.version,
      build: instructions.build,
      structures: `DWARF of ${interpreter.library.split('/').at(-1)}`,
    },
    runtime: runtimeLayout(source),
    ...(debugOffsets && { debugOffsets }),
    interpreter: {
      next: need(source, 'PyInterpreterState', 'next'),
      threads: need(source, 'PyInterpreterState', 'tstate_head', 'threads.head'),
      ...optional(source, 'PyInterpreterState', { id: ['id'] }),
      sysDict: need(source, 'PyInterpreterState', 'sysdict'),
    },
    thread: {
      size: size(source, 'PyThreadState'),
      next: need(source, 'PyThreadState', 'next'),
      interpreter: need(source, 'PyThreadState', 'interp'),
      threadId: need(source, 'PyThreadState', 'thread_id'),
      frame: frameHead(source),
    },
    gil: gilLayout(source),
    ...requestsLayout(source),
    frame: frameLayout(source),
    code: codeLayout(source, instructions),
    opcodes: instructions.opcodes,
    object: { type: need(source, 'PyObject', 'ob_type'), itemCount: need(source, 'PyVarObject', 'ob_size') },
    type: {
      name: need(source, 'PyTypeObject', 'tp_name'),
      basicSize: need(source, 'PyTypeObject', 'tp_basicsize'),
      flags: need(source, 'PyTypeObject', 'tp_flags'),
      dictOffset: need(source, 'PyTypeObject', 'tp_dictoffset'),
      ...optional(source, 'PyHeapTypeObject', { cachedKeys: ['ht_cached_keys'] }),
      base: need(source, 'PyTypeObject', 'tp_base'),
      dict: need(source, 'PyTypeObject', 'tp_dict'),
    },
    bytes: {
      typeName: has(source, 'PyStringObject', 'ob_sval') ? 'str' : 'bytes',
      length: need(source, 'PyVarObject', 'ob_size'),
      data: either(source, ['PyStringObject', 'ob_sval'], ['PyBytesObject', 'ob_sval']),
    },
    text: textLayout(source),
    integer: integerLayout(source),
    tuple: { length: need(source, 'PyVarObject', 'ob_size'), items: need(source, 'PyTupleObject', 'ob_item') },
    dict: dictLayout(source),
    instance: instanceLayout(source),
    slot: {
      definition: need(source, 'PyMemberDescrObject', 'd_member'),
      offset: need(source, 'PyMemberDef', 'offset'),
    },
    values: valuesLayout(source),
    socket: {
      descriptor: need(source, 'PySocketSockObject', 'sock_fd'),
      timeout: need(source, 'PySocketSockObject', 'sock_timeout'),
      timeoutIn: has(source, 'PyStringObject', 'ob_sval') ? 'seconds' : 'nanoseconds',
    },
    builtin: {
      definition: need(source, 'PyCFunctionObject', 'm_ml'),
      self: need(source, 'PyCFunctionObject', 'm_self'),
      name: need(source, 'PyMethodDef', 'ml_name'),
    },
    method: {
      typeName: has(source, 'PyMethodObject', 'im_class') ? 'instancemethod' : 'method',
      function: need(source, 'PyMethodObject', 'im_func'),
      self: need(source, 'PyMethodObject', 'im_self'),
      code: need(source, 'PyFunctionObject', 'func_code'),
    },
    lock: {
      size: size(source, 'lockobject'),
      typeName: has(source, 'PyStringObject', 'ob_sval') ? 'thread.lock' : '_thread.lock',
      state: lockState(source, 'lockobject', 'lock_lock', 'lock'),
    },
    ...(source.value('sizeof(rlockobject)') !== undefined && {
      rlock: {
        size: size(source, 'rlockobject'),
        typeName: '_thread.RLock',
        state: lockState(source, 'rlockobject', 'rlock_lock', 'lock.mutex'),
        owner: need(source, 'rlockobject', 'rlock_owner', 'lock.thread'),
        count: need(source, 'rlockobject', 'rlock_count', 'lock.level'),
      },
    }),
  };
}

/** Objects of a build without a GIL know the thread that owns them (PEP 703). */
function isFreeThreaded(source: Source): boolean {
  return has(source, 'PyObject', 'ob_tid');
}

function lockState(source: Source, type: string, semaphore: string, mutex: string): LockStateLayout {
  const offset = first(source, type, semaphore);
  return offset === undefined ? { by: 'mutex', offset: need(source, type, mutex) } : { by: 'semaphore', offset };
}

function runtimeLayout(source: Source): RuntimeLayout {
  if (has(source, '_PyRuntimeState', 'interpreters.head'))
    return {
      shape: 'runtime-struct',
      symbol: '_PyRuntime',
      size: size(source, '_PyRuntimeState'),
      interpreters: need(source, '_PyRuntimeState', 'interpreters.head'),
      mainInterpreter: need(source, '_PyRuntimeState', 'interpreters.main'),
    };
  return { shape: 'static-head', head: 'interp_head', current: '_PyThreadState_Current' };
}

function gilLayout(source: Source): GilLayout {
  const state = (type: string, prefix: string) => ({
    lastHolder: need(source, type, `${prefix}last_holder._value`, `${prefix}last_holder`),
    locked: need(source, type, `${prefix}locked._value`, `${prefix}locked`),
    condition: need(source, type, `${prefix}cond`),
    mutex: need(source, type, `${prefix}mutex`),
    switchCondition: need(source, type, `${prefix}switch_cond`),
    switchMutex: need(source, type, `${prefix}switch_mutex`),
  });
  if (has(source, 'PyInterpreterState', 'ceval.gil'))
    return {
      shape: 'interpreter',
      pointer: need(source, 'PyInterpreterState', 'ceval.gil'),
      own: need(source, 'PyInterpreterState', 'ceval.own_gil') - need(source, 'PyInterpreterState', 'ceval.gil'),
      ...state('struct _gil_runtime_state', ''),
      ...optional(source, 'struct _gil_runtime_state', { enabled: ['enabled'] }),
    };
  if (has(source, '_PyRuntimeState', 'ceval.gil'))
    return { shape: 'runtime', ...state('_PyRuntimeState', 'ceval.gil.') };
  if (source.value('&gil_cond') !== undefined)
    return {
      shape: 'current-thread',
      condition: 'gil_cond',
      mutex: 'gil_mutex',
      switchCondition: 'switch_cond',
      switchMutex: 'switch_mutex',
    };
  return { shape: 'current-thread', lock: 'interpreter_lock' };
}

function requestsLayout(source: Source): { readonly requests?: RequestsLayout } {
  const places = (type: string) => ({
    drop: need(source, type, 'ceval.gil_drop_request'),
    breaker: need(source, type, 'ceval.eval_breaker'),
  });
  const ofThread = first(source, 'PyThreadState', 'eval_breaker');
  // Macros, which DWARF does not hold: Include/internal/pycore_ceval.h of 3.13 (_PY_GIL_DROP_REQUEST_BIT, _PY_EVAL_EVENTS_BITS).
  if (ofThread !== undefined)
    return { requests: { at: 'thread', breaker: ofThread, dropBit: 1 << 0, requestBits: (1 << 8) - 1 } };
  if (has(source, 'PyInterpreterState', 'ceval.gil_drop_request'))
    return { requests: { at: 'interpreter', ...places('PyInterpreterState') } };
  if (has(source, '_PyRuntimeState', 'ceval.gil_drop_request'))
    return { requests: { at: 'runtime', ...places('_PyRuntimeState') } };
  if (source.value('&gil_drop_request') === undefined) return {};
  return { requests: { at: 'static', drop: 'gil_drop_request', breaker: 'eval_breaker' } };
}

function frameHead(source: Source): FrameHead {
  const direct = first(source, 'PyThreadState', 'frame', 'current_frame');
  if (direct !== undefined) return { via: 'thread', offset: direct };
  return {
    via: 'cframe',
    offset: need(source, 'PyThreadState', 'cframe'),
    frame: need(source, '_PyCFrame', 'current_frame'),
  };
}

function frameLayout(source: Source): FrameLayout {
  if (has(source, '_PyInterpreterFrame', 'previous'))
    return {
      shape: 'interpreter-frame',
      size: need(source, '_PyInterpreterFrame', 'localsplus'),
      previous: need(source, '_PyInterpreterFrame', 'previous'),
      code: need(source, '_PyInterpreterFrame', 'f_code', 'f_executable'),
      instruction: need(source, '_PyInterpreterFrame', 'prev_instr', 'instr_ptr'),
      owner: need(source, '_PyInterpreterFrame', 'owner'),
      locals: need(source, '_PyInterpreterFrame', 'localsplus'),
      entry: has(source, '_PyInterpreterFrame', 'is_entry')
        ? { by: 'flag', offset: need(source, '_PyInterpreterFrame', 'is_entry') }
        : { by: 'shim', owners: shimOwners(source) },
      // Macros, which DWARF does not hold: Include/internal/pycore_stackref.h of 3.14 (Py_TAG_BITS, Py_INT_TAG).
      ...(has(source, '_PyInterpreterFrame', 'localsplus[0].bits') && { tagged: { mask: 3, integer: 3 } }),
      ...optional(source, '_PyInterpreterFrame', { copy: ['tlbc_index'] }),
    };
  return {
    shape: 'frame-object',
    size: need(source, 'PyFrameObject', 'f_localsplus'),
    previous: need(source, 'PyFrameObject', 'f_back'),
    code: need(source, 'PyFrameObject', 'f_code'),
    lastInstruction: need(source, 'PyFrameObject', 'f_lasti'),
    instructionUnit: has(source, 'PyCodeObject', 'co_linetable') ? 2 : 1,
    valueStack: need(source, 'PyFrameObject', 'f_valuestack'),
    blockCount: need(source, 'PyFrameObject', 'f_iblock'),
    blocks: need(source, 'PyFrameObject', 'f_blockstack'),
    maximumBlocks: constant(source, 'sizeof(((PyFrameObject *)0)->f_blockstack) / sizeof(PyTryBlock)'),
    block: {
      size: size(source, 'PyTryBlock'),
      type: need(source, 'PyTryBlock', 'b_type'),
      handler: need(source, 'PyTryBlock', 'b_handler'),
      level: need(source, 'PyTryBlock', 'b_level'),
    },
    locals: need(source, 'PyFrameObject', 'f_localsplus'),
  };
}

/** Who owns a frame that is no Python function's: C code, and the evaluator's own first frame (3.14). */
function shimOwners(source: Source): readonly number[] {
  return ['FRAME_OWNED_BY_INTERPRETER', 'FRAME_OWNED_BY_CSTACK']
    .map(name => source.value(name))
    .filter(value => value !== undefined);
}

function codeLayout(source: Source, { signedLines }: Instructions): CodeLayout {
  const ending = first(source, 'PyCodeObject', 'co_code_adaptive');
  const copies = first(source, 'PyCodeObject', 'co_tlbc');
  return {
    size: size(source, 'PyCodeObject'),
    typeName: 'code',
    name: need(source, 'PyCodeObject', 'co_name'),
    file: need(source, 'PyCodeObject', 'co_filename'),
    ...optional(source, 'PyCodeObject', { qualifiedName: ['co_qualname'] }),
    firstLine: need(source, 'PyCodeObject', 'co_firstlineno'),
    lines: {
      shape: has(source, 'PyCodeObject', 'co_exceptiontable')
        ? 'location-table'
        : has(source, 'PyCodeObject', 'co_linetable')
          ? 'linetable'
          : signedLines
            ? 'lnotab-signed'
            : 'lnotab',
      offset: need(source, 'PyCodeObject', 'co_lnotab', 'co_linetable'),
    },
    bytecode:
      ending === undefined
        ? { in: 'bytes', offset: need(source, 'PyCodeObject', 'co_code') }
        : {
            in: 'code',
            offset: ending,
            ...(copies !== undefined && {
              copies: {
                array: copies,
                count: need(source, '_PyCodeArray', 'size'),
                entries: need(source, '_PyCodeArray', 'entries'),
              },
            }),
          },
    ...optional(source, 'PyCodeObject', { exceptionTable: ['co_exceptiontable'] }),
    stackSize: need(source, 'PyCodeObject', 'co_stacksize'),
    ...optional(source, 'PyCodeObject', { slotCount: ['co_nlocalsplus'] }),
    slotNames: need(source, 'PyCodeObject', 'co_varnames', 'co_localsplusnames'),
    ...optional(source, 'PyCodeObject', {
      slotKinds: ['co_localspluskinds'],
      cellNames: ['co_cellvars'],
      freeNames: ['co_freevars'],
    }),
    argumentCount: need(source, 'PyCodeObject', 'co_argcount'),
    ...optional(source, 'PyCodeObject', { keywordOnlyCount: ['co_kwonlyargcount'] }),
    flags: need(source, 'PyCodeObject', 'co_flags'),
  };
}

function textLayout(source: Source): TextLayout {
  if (has(source, 'PyASCIIObject', 'state'))
    return {
      shape: 'compact',
      typeName: 'str',
      length: need(source, 'PyASCIIObject', 'length'),
      state: need(source, 'PyASCIIObject', 'state'),
      // No expression says the bit of a field. `interned` before it has 2 bits, or a byte where threads change it at any time.
      kindBit: source.value('sizeof(((PyASCIIObject *)0)->state.interned)') === 1 ? 8 : 2,
      asciiSize: size(source, 'PyASCIIObject'),
      compactSize: size(source, 'PyCompactUnicodeObject'),
      data: need(source, 'PyUnicodeObject', 'data'),
    };
  return {
    shape: 'legacy',
    typeName: 'unicode',
    length: need(source, 'PyUnicodeObject', 'length'),
    data: need(source, 'PyUnicodeObject', 'str'),
  };
}

function integerLayout(source: Source): IntegerLayout {
  const tag = first(source, 'PyLongObject', 'long_value.lv_tag');
  if (tag !== undefined) return { shape: 'tagged', tag, digits: need(source, 'PyLongObject', 'long_value.ob_digit') };
  return {
    shape: 'signed-size',
    size: need(source, 'PyVarObject', 'ob_size'),
    digits: need(source, 'PyLongObject', 'ob_digit'),
    ...optional(source, 'PyIntObject', { small: ['ob_ival'] }),
  };
}

function dictLayout(source: Source): DictLayout {
  const entry = (type: string) => ({
    size: size(source, type),
    key: need(source, type, 'me_key'),
    value: need(source, type, 'me_value'),
  });
  if (has(source, 'PyDictObject', 'ma_table'))
    return {
      shape: 'open-table',
      mask: need(source, 'PyDictObject', 'ma_mask'),
      table: need(source, 'PyDictObject', 'ma_table'),
      entry: entry('PyDictEntry'),
    };
  const log2 = first(source, 'PyDictKeysObject', 'dk_log2_size');
  return {
    shape: 'compact',
    keys: need(source, 'PyDictObject', 'ma_keys'),
    values: need(source, 'PyDictObject', 'ma_values'),
    valuesItems: first(source, 'PyDictValues', 'values') ?? 0,
    tableSize:
      log2 === undefined
        ? { as: 'count', offset: need(source, 'PyDictKeysObject', 'dk_size') }
        : { as: 'log2', offset: log2, indexBytes: need(source, 'PyDictKeysObject', 'dk_log2_index_bytes') },
    entryCount: need(source, 'PyDictKeysObject', 'dk_nentries'),
    indices: need(source, 'PyDictKeysObject', 'dk_indices'),
    entry: entry('PyDictKeyEntry'),
    ...(has(source, 'PyDictUnicodeEntry', 'me_key') && {
      textEntry: { kind: need(source, 'PyDictKeysObject', 'dk_kind'), ...entry('PyDictUnicodeEntry') },
    }),
  };
}

/**
 * Pre-header words and flags are macros and inline functions, which DWARF does not hold: their numbers are read in
 * Include/object.h and Include/internal/pycore_object.h of 3.11.7, 3.12.1, 3.13.0 and 3.13.5.
 */
function instanceLayout(source: Source): InstanceLayout {
  if (has(source, 'PyInstanceObject', 'in_dict'))
    return {
      classic: {
        typeName: 'instance',
        class: need(source, 'PyInstanceObject', 'in_class'),
        dict: need(source, 'PyInstanceObject', 'in_dict'),
        className: need(source, 'PyClassObject', 'cl_name'),
      },
    };
  const managed = { flag: 1 << 4, dict: isFreeThreaded(source) ? -8 : -24 };
  const valid = first(source, 'PyDictValues', 'valid');
  if (valid !== undefined)
    return { managed: { ...managed, values: { at: 'inline', flag: 1 << 2, offset: size(source, 'PyObject'), valid } } };
  if (has(source, 'PyDictOrValues', 'values')) return { managed: { ...managed, values: { at: 'tagged-dict' } } };
  if (has(source, 'PyDictValues', 'values')) return { managed: { ...managed, values: { at: 'pointer', offset: -32 } } };
  return {};
}

function valuesLayout(source: Source): ValuesLayout {
  return {
    cell: need(source, 'PyCellObject', 'ob_ref'),
    float: need(source, 'PyFloatObject', 'ob_fval'),
    list: need(source, 'PyListObject', 'ob_item'),
    dictUsed: need(source, 'PyDictObject', 'ma_used'),
    set: {
      used: need(source, 'PySetObject', 'used'),
      mask: need(source, 'PySetObject', 'mask'),
      table: need(source, 'PySetObject', 'table'),
      entry: {
        size: size(source, 'setentry'),
        key: need(source, 'setentry', 'key'),
        hash: need(source, 'setentry', 'hash'),
      },
    },
  };
}

/** Which of this table's numbers `_Py_DebugOffsets` repeats. */
const described = {
  'interpreter.id': 'interpreter_state.id',
  'interpreter.next': 'interpreter_state.next',
  'interpreter.threads': 'interpreter_state.threads_head',
  'interpreter.sysDict': 'interpreter_state.sysdict',
  'gil.pointer': 'interpreter_state.ceval_gil',
  'gil.locked': ['interpreter_state.gil_runtime_state_locked', 'interpreter_state.gil_runtime_state'],
  'gil.lastHolder': ['interpreter_state.gil_runtime_state_holder', 'interpreter_state.gil_runtime_state'],
  'runtime.interpreters': 'runtime_state.interpreters_head',
  'thread.next': 'thread_state.next',
  'thread.interpreter': 'thread_state.interp',
  'thread.frame.offset': 'thread_state.current_frame',
  'thread.threadId': 'thread_state.thread_id',
  'frame.previous': 'interpreter_frame.previous',
  'frame.code': 'interpreter_frame.executable',
  'frame.instruction': 'interpreter_frame.instr_ptr',
  'frame.locals': 'interpreter_frame.localsplus',
  'frame.owner': 'interpreter_frame.owner',
  'code.file': 'code_object.filename',
  'code.name': 'code_object.name',
  'code.qualifiedName': 'code_object.qualname',
  'code.lines.offset': 'code_object.linetable',
  'code.firstLine': 'code_object.firstlineno',
  'code.slotNames': 'code_object.localsplusnames',
  'code.bytecode.offset': 'code_object.co_code_adaptive',
  'object.type': 'pyobject.ob_type',
  'type.name': 'type_object.tp_name',
  'type.flags': 'type_object.tp_flags',
  'tuple.items': 'tuple_object.ob_item',
  'tuple.length': 'tuple_object.ob_size',
  'dict.keys': 'dict_object.ma_keys',
  'dict.values': 'dict_object.ma_values',
  'integer.tag': 'long_object.lv_tag',
  'integer.digits': 'long_object.ob_digit',
  'bytes.length': 'bytes_object.ob_size',
  'bytes.data': 'bytes_object.ob_sval',
  'text.state': 'unicode_object.state',
  'text.length': 'unicode_object.length',
  'text.asciiSize': 'unicode_object.asciiobject_size',
} as const satisfies Record<string, string | readonly [member: string, from: string]>;

/** The same, of what a build with a GIL has not: there they are 0. */
const describedFreeThreaded = {
  'frame.copy': 'interpreter_frame.tlbc_index',
  'code.bytecode.copies.array': 'code_object.co_tlbc',
} as const satisfies Record<string, string>;

function debugOffsetsLayout(source: Source): DebugOffsetsLayout | undefined {
  if (!has(source, '_Py_DebugOffsets', 'cookie')) return undefined;
  const fields: Record<string, number | readonly [number, number]> = {};
  for (const [key, members] of Object.entries({ ...described, ...(isFreeThreaded(source) && describedFreeThreaded) })) {
    const [member, from] = typeof members === 'string' ? [members] : members;
    const offset = first(source, '_Py_DebugOffsets', member);
    const start = from === undefined ? undefined : first(source, '_Py_DebugOffsets', from);
    if (offset !== undefined) fields[key] = start === undefined ? offset : [offset, start];
  }
  return {
    cookie: 'xdebugpy',
    version: need(source, '_Py_DebugOffsets', 'version'),
    freeThreaded: need(source, '_Py_DebugOffsets', 'free_threaded'),
    size: size(source, '_Py_DebugOffsets'),
    fields,
  };
}

interface Instructions {
  readonly build: string;
  /** Whether co_lnotab's line steps are signed (3.6, Objects/lnotab_notes.txt). */
  readonly signedLines: boolean;
  readonly opcodes: Opcodes;
}

const question = `
import json, opcode, platform, sys
print(json.dumps({
    'numbers': opcode.opmap,
    'haveArgument': opcode.HAVE_ARGUMENT,
    'version': list(sys.version_info[:2]),
    'build': platform.python_implementation() + ' ' + platform.python_version() + ', ' + platform.machine() + ', ' + platform.python_compiler(),
}))
`;

interface Answer {
  readonly numbers: Readonly<Record<string, number>>;
  readonly haveArgument: number;
  readonly version: readonly [number, number];
  readonly build: string;
}

function readInstructions(interpreter: Interpreter): Instructions {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the question above prints
  const { numbers, haveArgument, version, build } = JSON.parse(runPython(interpreter, question)) as Answer;
  const number = (name: string) => numbers[name];
  const required = (...names: string[]) => {
    const found = names.map(number).find(value => value !== undefined);
    if (found === undefined) throw new Error(`Python ${interpreter.version} has no instruction ${names.join(' or ')}`);
    return found;
  };
  const [major, minor] = version;
  const wordcode = major > 2 && minor >= 6;
  const pushExceptionInfo = number('PUSH_EXC_INFO');
  // Numbers from 256 on are only the compiler's.
  const setupWith = Object.entries(numbers).find(([name, value]) => name === 'SETUP_WITH' && value < 256)?.[1];
  return {
    build,
    signedLines: wordcode,
    opcodes: {
      encoding: wordcode ? 'word' : 'mixed',
      haveArgument,
      extendedArgument: required('EXTENDED_ARG'),
      ...(setupWith !== undefined && { enterWith: setupWith }),
      withHandler: required('WITH_EXCEPT_START', 'WITH_CLEANUP_START', 'WITH_CLEANUP'),
      ...(pushExceptionInfo !== undefined && { pushExceptionInfo }),
      // 2.7 pushes a block of its own kind, 3.x one that a `finally` has too; the handler tells them apart.
      withBlocks: setupWith === undefined ? [] : [...new Set([setupWith, required('SETUP_FINALLY')])],
      withExit: setupWith === undefined && number('BEFORE_WITH') === undefined ? 'function-and-self' : 'bound',
    },
  };
}

function has(source: Source, type: string, member: string): boolean {
  return source.value(offsetOf(type, member)) !== undefined;
}

function first(source: Source, type: string, ...members: readonly string[]): number | undefined {
  return members.map(member => source.value(offsetOf(type, member))).find(value => value !== undefined);
}

function need(source: Source, type: string, ...members: readonly string[]): number {
  return orFail(source, first(source, type, ...members), `${type}.${members.join('|')}`);
}

function either(source: Source, ...alternatives: readonly (readonly [type: string, member: string])[]): number {
  const found = alternatives.map(([type, member]) => first(source, type, member)).find(value => value !== undefined);
  return orFail(source, found, String(alternatives));
}

function size(source: Source, type: string): number {
  return constant(source, `sizeof(${type})`);
}

function constant(source: Source, expression: string): number {
  return orFail(source, source.value(expression), expression);
}

function orFail(source: Source, value: number | undefined, what: string): number {
  if (value === undefined && !source.pretend) throw new Error(`DWARF has no ${what}`);
  return value ?? 0;
}

function optional<Key extends string>(
  source: Source,
  type: string,
  members: Readonly<Record<Key, readonly string[]>>,
): { readonly [key in Key]?: number } {
  const found: { [key in Key]?: number } = {};
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys loses the keys' type
  for (const key of Object.keys(members) as Key[]) {
    const value = first(source, type, ...members[key]);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

import type { NativeFrame } from '../native/stacks.ts';

/** C functions that tell what a thread does. Sources: CPython Python/ceval.c, ceval_gil.h, pystate.c; glibc nptl/. */

/** The one C function that runs byte code, by version family; 3.6 (PEP 523) renamed it. */
const evaluators = {
  before36: new Set(['PyEval_EvalFrameEx']),
  since36: new Set(['_PyEval_EvalFrameDefault']),
} as const;

/** Whether a native frame is one call of the byte code evaluator. */
export function isEvaluator(frame: NativeFrame, pythonVersion: string): boolean {
  const [major = 0, minor = 0] = pythonVersion.split('.').map(Number);
  const names = major < 3 || (major === 3 && minor < 6) ? evaluators.before36 : evaluators.since36;
  return frame.function !== undefined && names.has(plainName(frame.function));
}

/** Without what compilers append to a function that they split or cloned. */
export function plainName(name: string): string {
  return name
    .replace(/(?:\.(?:cold|constprop|isra|part|lto_priv|localalias|llvm)(?:\.\d+)?)+$/, '')
    .replace(/@.*$/, '');
}

const takesGil = new Set([
  'take_gil',
  // Having been asked for it, who hands it on waits until another thread has it (3.2 on).
  'drop_gil',
  'PyEval_RestoreThread',
  'PyEval_AcquireThread',
  'PyEval_AcquireLock',
  'PyGILState_Ensure',
]);
const takesLock = /^PyThread_acquire_lock(?:_timed)?$/;
/** Python 2: the GIL is a lock like others; who asks for it tells. */
const asksForGil = new Set([...takesGil, 'PyEval_EvalFrameEx']);

/** Whether frames inside the innermost evaluator (innermost first) show a wait for the GIL. */
export function waitsForGil(frames: readonly NativeFrame[], pythonVersion: string): boolean {
  const end = frames.findIndex(frame => isEvaluator(frame, pythonVersion));
  const inner = frames.slice(0, end < 0 ? frames.length : end + 1).map(frame => plainName(frame.function ?? ''));
  if (pythonVersion.startsWith('2.')) {
    const lock = inner.findIndex(name => takesLock.test(name));
    return lock >= 0 && asksForGil.has(inner[lock + 1] ?? '');
  }
  const known = inner.find(name => takesGil.has(name) || takesLock.test(name));
  return known !== undefined && takesGil.has(known);
}

/** Whether the stack leads through the start of a greenlet (greenlet 0.4 to 3.5: greenlet.c, TUserGreenlet.cpp). */
export function isInGreenlet(frames: readonly NativeFrame[]): boolean {
  return frames.some(({ function: name }) => name !== undefined && /(?:^|::)g_initialstub\b/.test(name));
}

const mutexWaits =
  /^(?:_*lll_(?:mutex_)?lock_wait(?:_private)?|_*(?:GI_+)?pthread_mutex_(?:lock|timedlock|clocklock)(?:_full)?)$/;

/** Whether the innermost frames are a wait for a pthread mutex. */
export function waitsForMutex(frames: readonly NativeFrame[]): boolean {
  return frames.slice(0, 4).some(({ function: name }) => name !== undefined && mutexWaits.test(plainName(name)));
}

/** Whether the frame's code is the interpreter itself: libpython or the python executable. */
export function isInterpreterModule(module: string | undefined): boolean {
  return module !== undefined && /(?:^|\/)(?:libpython\d|python\d(?:\.\d+)?[dmut]*$|python$)/.test(module);
}

/** Libraries that the interpreter itself uses while it runs byte code: allocation, arithmetic, system calls. */
export function isSystemModule(module: string | undefined): boolean {
  return (
    module !== undefined &&
    /(?:^|\/)(?:libc|libm|libpthread|ld-linux[^/]*|linux-vdso|libgcc_s)(?:[-.][^/]*)?(?:\.so|$)/.test(module)
  );
}

/** What only passes a call on from Python to a C library of somebody else's. */
function isBridgeModule(module: string | undefined): boolean {
  return module !== undefined && /(?:^|\/)(?:_ctypes|_cffi_backend|libffi)[-.][^/]*$/.test(module);
}

/** How CPython names the C functions that Python code calls: builtins, methods, pattern matching. */
const calledFunction =
  /^(?:builtin_|_?sre_|SRE\(|_sre_|pattern_|_*PyCFunction|cfunction_|method_vectorcall|time_|EVP_|_hashlib|itertools_|zlib_|_json|scan_once|_pickle|list_sort|listsort|list_extend|deque_|math_)/;

/** What stands between byte code and every C function that it calls. */
const glue = /^(?:_*PyCFunction|cfunction_|method_vectorcall)/;

/** Builtins that return at once: a loop that calls them is a loop. */
const quick = new Set(
  [
    'len',
    'isinstance',
    'issubclass',
    'getattr',
    'hasattr',
    'setattr',
    'ord',
    'chr',
    'abs',
    'id',
    'hash',
    'callable',
    'next',
    'iter',
    'type',
    'time',
  ].flatMap(name => [`builtin_${name}`, `builtin_${name}_impl`, `time_${name}`]),
);

/** Functions that mostly wait for somebody else (Modules/socketmodule.c, selectmodule.c, posixmodule.c, _io). */
const waitsMostly =
  /^(?:sock_|select_|poll_|pyepoll_|os_(?:read|write|pread|pwrite|sendfile)|_io_|_?buffered_?|fileio_)/;

/** Whether a moment in that C function says nothing of how long it computes. */
export function isInputOutput(name: string): boolean {
  return waitsMostly.test(name);
}

/** The C function that Python code called and that was running, named for people; undefined when byte code itself ran. */
export function runningNative(frames: readonly NativeFrame[], pythonVersion: string): string | undefined {
  const end = frames.findIndex(frame => isEvaluator(frame, pythonVersion));
  const inner = frames.slice(0, end < 0 ? frames.length : end);
  const foreign = inner.filter(
    ({ module }) => module !== undefined && !isInterpreterModule(module) && !isSystemModule(module),
  );
  const entered = foreign.findLast(({ module }) => !isBridgeModule(module)) ?? foreign.at(-1);
  if (entered !== undefined) return nameOf(entered);
  const called = inner.filter(({ function: name }) => name !== undefined && calledFunction.test(plainName(name)));
  // Glue on its own names no function: a quick one as a rule, many times over, which is byte code at work.
  const named = called.find(({ function: name }) => !glue.test(plainName(name ?? '')));
  if (named === undefined || quick.has(plainName(named.function ?? ''))) return undefined;
  return nameOf(named);
}

function nameOf({ function: name, module }: NativeFrame): string {
  return name === undefined ? `code of ${module ?? 'an unknown module'}` : plainName(name);
}

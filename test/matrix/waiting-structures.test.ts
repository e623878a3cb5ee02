import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { evaluate, offsetOf } from '../../scripts/layout/dwarf.ts';
import { findInterpreter, type Interpreter, interpreterIn } from '../../scripts/layout/interpreter.ts';
import { semLock, simpleQueue, threadHandle } from '../../src/python/waits/waiting-functions.ts';
import { prepareInterpreters, pythonVersions, requireInterpreter } from '../support/interpreters.ts';

beforeAll(() => prepareInterpreters());

/** An object's own fields are counted from the end of its head. */
const behindHead = (type: string, member: string) => `(long)${offsetOf(type, member)} - (long)sizeof(PyObject)`;

const semLockFields = {
  handle: behindHead('SemLockObject', 'handle'),
  lastThread: behindHead('SemLockObject', 'last_tid'),
  count: behindHead('SemLockObject', 'count'),
  maximum: behindHead('SemLockObject', 'maxvalue'),
};
// Up to 3.12 a lock of its own.
const simpleQueueFields = {
  lock: behindHead('simplequeueobject', 'lock'),
  parked: behindHead('simplequeueobject', 'has_threads_waiting'),
};
const threadHandleFields = {
  object: behindHead('PyThreadHandleObject', 'handle'),
  ident: offsetOf('ThreadHandle', 'ident'),
  state: offsetOf('ThreadHandle', 'state'),
  isExiting: offsetOf('ThreadHandle', 'thread_is_exiting'),
  running: 'THREAD_HANDLE_RUNNING',
};

const { typeName: _, ...semLockNumbers } = semLock;

// A distribution has the debug files of extension modules elsewhere: 3.14's are not had here.
const withExtensions = pythonVersions.filter(version => version !== '3.14');

test.each(withExtensions)('locks of multiprocessing and simple queues of CPython %s are as they are read', version => {
  const interpreter = interpreterOf(version);
  expect(fieldsOf(extension(interpreter, '_multiprocessing'), semLockFields)).toEqual(semLockNumbers);
  const isParked = minorOf(version) >= 13;
  const hasQueue = minorOf(version) >= 7;
  expect(hasQueue ? fieldsOf(extension(interpreter, '_queue'), simpleQueueFields) : {}).toEqual(
    hasQueue ? { [isParked ? 'parked' : 'lock']: simpleQueue.state } : {},
  );
});

test.each(pythonVersions)('what a thread that is joined has of CPython %s is as it is read', version => {
  const { library, root } = interpreterOf(version);
  expect(fieldsOf(library, threadHandleFields, root)).toEqual(minorOf(version) >= 13 ? threadHandle : {});
});

/** Of Python 3; 2.7 comes before all of them. */
function minorOf(version: string): number {
  return version === '2.7' ? 0 : Number(version.split('.')[1]);
}

function interpreterOf(version: (typeof pythonVersions)[number]): Interpreter {
  const { root } = requireInterpreter(version);
  const interpreter = root === undefined ? findInterpreter(version) : interpreterIn(root, version);
  if (interpreter === undefined) throw new Error(`no CPython ${version} with DWARF`);
  return interpreter;
}

function extension({ executable, minor }: Interpreter, module: string): string {
  const folder = join(executable, '..', '..', 'lib', `python${minor}`, 'lib-dynload');
  const file = existsSync(folder) ? readdirSync(folder).find(name => name.startsWith(`${module}.`)) : undefined;
  if (file === undefined) throw new Error(`no ${module} in ${folder}`);
  return join(folder, file);
}

/** Those of the fields that the file's DWARF knows. */
function fieldsOf(
  file: string,
  fields: Readonly<Record<string, string>>,
  root?: string,
): Readonly<Record<string, number>> {
  const found = evaluate(file, Object.values(fields), root);
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, expression]) => {
      const value = found.get(expression);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

import { type FrameSlots, slotValue } from '../frames/locals.ts';
import { basesOf, qualifiedName, slotAttribute } from '../objects/classes.ts';
import { attempt, type Heap } from '../objects/heap.ts';
import type { PythonRequest } from '../process.ts';
import { type RequestForm, requestForms } from './request-forms.ts';

/** Locals of one frame that are looked at. */
const slotLimit = 256;

/** A frame with what requests are read from. */
export type RequestFrame = FrameSlots & (Place | { readonly frame: Place });

interface Place {
  readonly function: string;
  readonly file: string;
}

/**
 * The web request that a thread or a task serves: the WSGI environment (PEP 3333), the ASGI scope, or the request object
 * of a framework among the locals of its frames, the outermost one first, for a server's own frame has it as it came.
 * Undefined when it serves none.
 * @param frames innermost first
 */
export function readRequest(heap: Heap, frames: readonly RequestFrame[]): PythonRequest | undefined {
  const seen = new Set<bigint>();
  const current = currentFunction(frames);
  for (const frame of frames.toReversed()) {
    const variables = attempt(() => frame.code.variables.slice(0, slotLimit)) ?? [];
    const words = attempt(() => heap.pointers(frame.locals, variables.length)) ?? [];
    for (const [index, { name, mayBeCell }] of variables.entries()) {
      const value = attempt(() => slotValue(heap, words[index] ?? 0n, mayBeCell)) ?? 0n;
      if (value === 0n || seen.has(value)) continue;
      seen.add(value);
      const request =
        attempt(() => asDict(heap, value)) ??
        (objectNames.has(name) ? attempt(() => asObject(heap, value, current)) : undefined);
      if (request) return request;
    }
  }
  return undefined;
}

/** Name of the innermost function that is not the standard library's way to a socket, without its class. */
function currentFunction(frames: readonly RequestFrame[]): string {
  const places = frames.map(frame => ('frame' in frame ? frame.frame : frame));
  const current = places.find(({ file }) => !/\/python\d\.\d+t?\/(?:socket|ssl)\.pyc?$/.test(file));
  return current?.function.split('.').at(-1) ?? '';
}

/** How locals are called that hold a request object, or a handler with one. */
const objectNames: ReadonlySet<string> = new Set(['self', 'request', 'req', 'http_request', 'handler', 'conn']);

/** Undefined for a dict that is neither environment nor scope, and for other objects. */
function asDict(heap: Heap, value: bigint): PythonRequest | undefined {
  if (heap.typeNameOf(value) !== 'dict' || !mayBeWhole(heap, value)) return undefined;
  const items = wantedItems(heap, value);
  return environment(heap, items) ?? scope(heap, items);
}

const dictKeys: ReadonlySet<string> = new Set([
  'REQUEST_METHOD',
  'SCRIPT_NAME',
  'PATH_INFO',
  'QUERY_STRING',
  'type',
  'method',
  'path',
  'query_string',
]);

/** What PEP 3333 and the ASGI specification demand is more; most dicts of a program are smaller. */
function mayBeWhole(heap: Heap, dict: bigint): boolean {
  return heap.pointer(dict + BigInt(heap.layout.values.dictUsed)) >= 2n;
}

/** Entries of a dict that are looked at; an environment may have all of the process's own. */
const entryLimit = 1024;

function wantedItems(heap: Heap, dict: bigint): Items {
  const found = new Map<string, bigint>();
  let looked = 0;
  for (const [name, item] of heap.namedItems(dict)) {
    if (dictKeys.has(name)) found.set(name, item);
    if (++looked >= entryLimit) break;
  }
  return found;
}

type Items = ReadonlyMap<string, bigint>;

function environment(heap: Heap, items: Items): PythonRequest | undefined {
  const text = (key: string) => textOf(heap, items.get(key));
  const method = text('REQUEST_METHOD');
  if (method === undefined || !items.has('PATH_INFO')) return undefined;
  return asRequest(method, `${text('SCRIPT_NAME') ?? ''}${text('PATH_INFO') ?? ''}`, text('QUERY_STRING'));
}

/** The ASGI specification, "HTTP & WebSocket ASGI Message Format": a web socket has no method. */
function scope(heap: Heap, items: Items): PythonRequest | undefined {
  const text = (key: string) => textOf(heap, items.get(key));
  const type = items.has('path') ? text('type') : undefined;
  if (type !== 'http' && type !== 'websocket') return undefined;
  const method = type === 'http' ? text('method') : 'WEBSOCKET';
  const path = text('path');
  return method === undefined || path === undefined ? undefined : asRequest(method, path, text('query_string'));
}

/** Requests within requests: a handler has one, which may wrap another; more are damage. */
const depthLimit = 4;

/** @param current what the thread or task executes now */
function asObject(heap: Heap, object: bigint, current: string, depth = 0): PythonRequest | undefined {
  const form = formOf(heap, heap.typeAddress(object));
  if (form === undefined || form.staleIn === current || depth >= depthLimit) return undefined;
  return byForm(heap, object, form, depth);
}

const knownForms = new WeakMap<Heap, Map<bigint, RequestForm | undefined>>();

/** The form of a class or of one that it is derived from; each class is looked up once. */
function formOf(heap: Heap, type: bigint): RequestForm | undefined {
  const known = knownForms.get(heap) ?? new Map<bigint, RequestForm | undefined>();
  knownForms.set(heap, known);
  if (known.has(type)) return known.get(type);
  const names = basesOf(heap, type).map(base => attempt(() => qualifiedName(heap, base)) ?? '');
  const form = names.map(name => requestForms.get(name)).find(found => found !== undefined);
  known.set(type, form);
  return form;
}

function byForm(heap: Heap, object: bigint, form: RequestForm, depth: number): PythonRequest | undefined {
  const attribute = (name: string) => attributeOf(heap, object, name);
  switch (form.by) {
    case 'dict': {
      const dict = attribute(form.attribute);
      return dict === undefined ? undefined : asDict(heap, dict);
    }
    case 'request': {
      const inner = attribute(form.attribute);
      return inner === undefined ? undefined : asObject(heap, inner, '', depth + 1);
    }
    case 'target': {
      const target = textOf(heap, attribute(form.target));
      const [path = '', query] = target?.split('?', 2) ?? [];
      return plausible(textOf(heap, attribute(form.method)), path, query);
    }
    case 'parts': {
      const holder = form.within === undefined ? object : attribute(form.within);
      const [path, query] = holder === undefined ? [] : partsOf(heap, holder, form);
      return plausible(textOf(heap, attribute(form.method)), path, query);
    }
    default:
      return form satisfies never;
  }
}

/** Path and query. */
function partsOf(
  heap: Heap,
  holder: bigint,
  { path, query, split }: Extract<RequestForm, { by: 'parts' }>,
): readonly (string | undefined)[] {
  const both = split === undefined ? undefined : attributeOf(heap, holder, split);
  const parts =
    both === undefined
      ? [path, query].map(name => attributeOf(heap, holder, name))
      : heap.tuple(both).slice(splitParts.start, splitParts.end);
  return parts.map(part => textOf(heap, part));
}

/** Path and query in what `urllib.parse.urlsplit` gives: scheme, netloc, path, query, fragment. */
const splitParts = { start: 2, end: 4 } as const;

function attributeOf(heap: Heap, object: bigint, name: string): bigint | undefined {
  return heap.attribute(object, name) ?? attempt(() => slotAttribute(heap, object, name));
}

/** A handler between two requests has no such method, or none at all. */
function plausible(method: string | undefined, path = '', query?: string): PythonRequest | undefined {
  if (method === undefined || !/^[A-Z]+$/.test(method) || !path.startsWith('/')) return undefined;
  return asRequest(method, path, query);
}

/** Of `str` and `bytes` alike. */
function textOf(heap: Heap, object: bigint | undefined): string | undefined {
  if (object === undefined || object === 0n) return undefined;
  const { bytes } = heap.layout;
  return heap.typeNameOf(object) === bytes.typeName ? heap.bytes(object, 4096).toString('utf8') : heap.text(object);
}

function asRequest(method: string, path: string, query: string | undefined): PythonRequest {
  return { method, path, ...(query !== undefined && query !== '' && { query }) };
}

import type { LiveFrame } from './frames.ts';
import { attempt, type Heap } from './heap.ts';
import type { PythonThread } from './process.ts';

type Request = NonNullable<PythonThread['request']>;

/** Locals of one frame that are looked at. */
const slotLimit = 256;

/**
 * The web request a thread serves: the WSGI environment (PEP 3333) among the locals of its frames, the outermost one
 * first, for a server's own frame has it as it came; else the `command` and `path` of a handler as `http.server` has.
 * Undefined when it serves none.
 */
export function readRequest(heap: Heap, frames: readonly LiveFrame[]): Request | undefined {
  const seen = new Set<bigint>();
  for (const frame of frames.toReversed()) {
    const names = attempt(() => frame.code.slotNames) ?? [];
    for (const [index, name] of names.slice(0, slotLimit).entries()) {
      const value = attempt(() => heap.referent(heap.pointer(frame.locals + BigInt(8 * index)))) ?? 0n;
      if (value === 0n || seen.has(value)) continue;
      seen.add(value);
      const request =
        attempt(() => environment(heap, value)) ?? (name === 'self' ? attempt(() => handler(heap, value)) : undefined);
      if (request) return request;
    }
  }
  return undefined;
}

/** Undefined for a dict that is no WSGI environment, and for other objects. */
function environment(heap: Heap, value: bigint): Request | undefined {
  if (heap.typeNameOf(value) !== 'dict') return undefined;
  const items = heap.items(value, ['REQUEST_METHOD', 'SCRIPT_NAME', 'PATH_INFO', 'QUERY_STRING']);
  const text = (key: string) => {
    const item = items.get(key);
    return item === undefined ? undefined : heap.text(item);
  };
  const method = text('REQUEST_METHOD');
  if (method === undefined || !items.has('PATH_INFO')) return undefined;
  return asRequest(method, `${text('SCRIPT_NAME') ?? ''}${text('PATH_INFO') ?? ''}`, text('QUERY_STRING'));
}

/** Of `BaseHTTPRequestHandler` (http.server, 2.7: BaseHTTPServer). */
function handler(heap: Heap, self: bigint): Request | undefined {
  const text = (name: string) => {
    const value = heap.attribute(self, name);
    return value === undefined ? undefined : heap.text(value);
  };
  const method = text('command');
  const target = method === undefined ? undefined : text('path');
  if (method === undefined || target === undefined || !/^[A-Z]+$/.test(method) || !target.startsWith('/'))
    return undefined;
  const [path = '', query] = target.split('?', 2);
  return asRequest(method, path, query);
}

function asRequest(method: string, path: string, query: string | undefined): Request {
  return { method, path, ...(query !== undefined && query !== '' && { query }) };
}

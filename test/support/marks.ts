/** What a comment in a target program's source says of the line that it stands on. */
export interface Place {
  readonly role: PlaceRole;
  /** `hang`: the finding class; `victim`, `holds`: the kind of lock; `idle`: `working` where work wakes it, else empty. */
  readonly what: string;
  /** The function whose thread must be told as the one who has to act; `main` for the main thread. */
  readonly of?: string;
  readonly function: string;
  /** The line; several where a thread may stand on any of them. */
  readonly lines: readonly number[];
  /** How many threads stand there. */
  readonly threads: number;
}

const roles = { HANG: 'hang', VICTIM: 'victim', HOLDS: 'holds', IDLE: 'idle', GIL: 'gil' } as const;
export type PlaceRole = (typeof roles)[keyof typeof roles];

export interface Marks {
  /** Every marked place, in the order of the source; the lines of one function with one mark are one place. */
  readonly places: readonly Place[];
  /** Finding classes that must be found besides those of the marked places, with their confidence or without. */
  readonly also: readonly string[];
  /** Whether the whole process is to be stopped by a signal once it is ready. */
  readonly isStopped: boolean;
  /** The first version that has what the program uses; absent: any. */
  readonly since?: string;
  /** Finding classes that would be wrong for this program; `any` stands for all of them. */
  readonly never: readonly string[];
  /** The places of a function and, where it has none to stand at, of the functions that it calls. */
  readonly placesOf: (functionName: string) => readonly Place[];
}

/**
 * Reads the marks of a program: `# HANG: class`, `# VICTIM: kind`, `# HOLDS: kind`, `# IDLE`, `# IDLE: working`,
 * `# GIL` (it may wait for the GIL), `# GIL: waits` (it must), `# GIL: free` (it may not be a victim), each with `xN`
 * where N threads share it, those of threads that wait with `of FUNCTION` where the one who has to act is known; and `SINCE: 3.6`, `NEVER: class, …`, `ALSO: class, …` (what follows from the marked causes) and `STOPPED`
 * in its docstring. So no line number is written down anywhere.
 */
export function readMarks(source: string): Marks {
  const functions = readFunctions(source);
  const places = functions.flatMap(({ places: own }) => own);
  const never = /NEVER: ([^"]+)"""/.exec(source)?.[1] ?? '';
  const also = /ALSO: ([^".]+)[."]/.exec(source)?.[1] ?? '';
  const byName = new Map(functions.map(each => [each.name, each]));

  const placesOf = (name: string): readonly Place[] => {
    const found = byName.get(name);
    if (found === undefined) return [];
    const { places: own, body } = found;
    if (own.some(({ role }) => role !== 'holds')) return own;
    const called = functions.filter(other => other.name !== name && body.includes(`${other.name}(`));
    return [...own, ...called.flatMap(other => placesOf(other.name))];
  };
  const since = /SINCE: (\d+\.\d+)/.exec(source)?.[1];
  return {
    places,
    ...(since !== undefined && { since }),
    never: listed(never),
    also: listed(also),
    isStopped: /^"""[^"]*\bSTOPPED\b/.test(source),
    placesOf,
  };
}

function listed(text: string): readonly string[] {
  return text
    .split(',')
    .map(each => each.trim())
    .filter(Boolean);
}

interface MarkedFunction {
  readonly name: string;
  readonly body: string;
  readonly places: readonly Place[];
}

function readFunctions(source: string): readonly MarkedFunction[] {
  const functions: { name: string; body: string; places: Place[] }[] = [{ name: '<module>', body: '', places: [] }];
  for (const [index, text] of source.split('\n').entries()) {
    const name = /^\s*def (\w+)/.exec(text)?.[1];
    if (name !== undefined) functions.push({ name, body: '', places: [] });
    else if (/^[^\s#]/.test(text)) functions.push({ name: '<module>', body: '', places: [] });
    const current = functions.at(-1);
    if (current === undefined) continue;
    if (name === undefined) current.body += `${text}\n`;
    addPlace(current.places, readPlace(text, index + 1, current.name));
  }
  return functions;
}

function readPlace(text: string, line: number, functionName: string): Place | undefined {
  const mark = /# (HANG|VICTIM|HOLDS|IDLE|GIL)(?:: ([\w-]+))?(?: of (\w+))?(?: x(\d+))?$/.exec(text);
  const role = Object.entries(roles).find(([name]) => name === mark?.[1])?.[1];
  if (mark === null || role === undefined) return undefined;
  const [, , what = '', of, count = '1'] = mark;
  return { role, what, ...(of !== undefined && { of }), function: functionName, lines: [line], threads: Number(count) };
}

function addPlace(places: Place[], place: Place | undefined): void {
  if (place === undefined) return;
  const same = places.findIndex(({ role, what }) => role === place.role && what === place.what && role === 'hang');
  const known = places[same];
  if (known === undefined) places.push(place);
  else places[same] = { ...known, lines: [...known.lines, ...place.lines] };
}

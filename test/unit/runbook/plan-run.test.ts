import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import { type HostPlan, type Plan, planRun, renderPlan, type StepPlan } from '../../../src/runbook/plan-run.ts';
import { hostNamed, kinds, makeLog } from './fake-kinds.ts';

/** A text of a runbook, and what a plan has in its place; undefined: nothing is known before the run. */
interface Piece {
  readonly text: string;
  readonly known: (at: Known) => string | undefined;
}

/** What is known before the run. */
interface Known {
  readonly host: string;
  readonly params: { readonly flag: boolean; readonly who: string; readonly names: readonly string[] };
  readonly item?: string;
}

interface Model {
  readonly id: string;
  readonly needs: readonly string[] | undefined;
  readonly when: Condition | undefined;
  readonly foreach: 'known' | 'later' | undefined;
  readonly name: Piece;
  readonly rescue: readonly Model[];
  readonly always: readonly Model[];
}

/** Undefined: whether it holds is known only later. */
interface Condition {
  readonly text: string;
  readonly holds: (at: Known) => boolean | undefined;
}

interface Book {
  readonly steps: readonly Model[];
  readonly rescue: readonly Model[];
  readonly always: readonly Model[];
}

const conditions: readonly Condition[] = [
  { text: 'params.flag', holds: ({ params }) => params.flag },
  { text: '!params.flag', holds: ({ params }) => !params.flag },
  { text: 'host.name == "web1"', holds: ({ host }) => host === 'web1' },
  { text: 'params.names.exists(each, each == "x")', holds: ({ params }) => params.names.includes('x') },
  { text: 'run.id == "r1"', holds: () => undefined },
  { text: 'has(steps.s0.said) && steps.s0.said == "x"', holds: () => undefined },
  // Fails on a host without the label: the run will say so.
  { text: 'host.labels.zone == "x"', holds: () => undefined },
  { text: '1 / 0 == 1', holds: () => undefined },
];

const plain: Piece = { text: 'plain', known: () => 'plain' };
const pieces: readonly Piece[] = [
  plain,
  { text: '${{ params.who }}', known: ({ params }) => params.who },
  { text: 'of ${{ params.who }} on ${{ host.name }}', known: ({ params, host }) => `of ${params.who} on ${host}` },
  { text: '${{ run.id }}', known: () => undefined },
  { text: '${{ has(steps.s0.said) ? steps.s0.said : "none" }}', known: () => undefined },
];
const ofItem: Piece = { text: '${{ item }}', known: ({ item }) => item };

const foreachTexts = { known: 'params.names', later: 'has(steps.s0.said) ? ["a"] : ["b", "c"]' } as const;

test('a plan has each host once, and on each every step once in the order of the file', async () => {
  await fc.assert(
    fc.asyncProperty(books(), values(), async (book, params) => {
      const plan = await planOf(book, params);
      expect(plan.hosts.map(({ name }) => name)).toEqual(hosts.map(({ name }) => name));
      for (const host of plan.hosts) expect(idsOf(host)).toEqual(idsIn(book, { host: host.name, params }));
    }),
  );
});

test('a plan says <…> exactly where a value depends on later results', async () => {
  await fc.assert(
    fc.asyncProperty(books(), values(), async (book, params) => {
      for (const host of (await planOf(book, params)).hosts) {
        const known = { host: host.name, params };
        const wanted = modelsIn(book, known).map(model => expected(model, known));
        expect(flat(host.steps).map(asExpected)).toEqual(wanted);
      }
    }),
  );
});

test('a plan runs nothing, and can be printed', async () => {
  await fc.assert(
    fc.asyncProperty(books(), values(), async (book, params) => {
      const log = makeLog();
      const plan = await planOf(book, params, log);
      expect(log.done).toEqual([]);
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      for (const { id } of plan.hosts.flatMap(({ steps }) => flat(steps)))
        expect(renderPlan(plan)).toContain(`${id}: say (`);
    }),
  );
});

const hosts = ['web1', 'web2', 'db1'].map(hostNamed);

async function planOf(book: Book, params: Known['params'], log = makeLog()): Promise<Plan> {
  const runbook = await loadRunbook('/books/book.yaml', kinds, { read: async () => textOf(book) });
  return planRun(runbook, { ...params }, hosts, () => log);
}

/** JSON is YAML. */
function textOf({ steps, rescue, always }: Book): string {
  return JSON.stringify({
    version: 1,
    name: 'book',
    summary: 'A test.',
    params: {
      flag: { type: 'boolean', default: true },
      who: { type: 'string', default: 'me' },
      names: { type: 'list', default: [] },
    },
    steps: steps.map(stepOf),
    rescue: rescue.map(stepOf),
    always: always.map(stepOf),
  });
}

function stepOf({ id, needs, when, foreach, name, rescue, always }: Model): unknown {
  return {
    id,
    uses: 'say',
    with: { name: name.text },
    ...(needs && { needs }),
    ...(when && { when: when.text }),
    ...(foreach && { foreach: foreachTexts[foreach] }),
    ...(rescue.length > 0 && { rescue: rescue.map(stepOf) }),
    ...(always.length > 0 && { always: always.map(stepOf) }),
  };
}

function values(): fc.Arbitrary<Known['params']> {
  const word = fc.constantFrom('x', 'y', 'me and you');
  return fc.record({ flag: fc.boolean(), who: word, names: fc.array(word, { maxLength: 3 }) });
}

/** Runbooks with any order of needs that has no circle, the first step being s0. */
function books(): fc.Arbitrary<Book> {
  const lists = fc.tuple(
    fc.array(shapes(2), { minLength: 1, maxLength: 6 }),
    fc.array(shapes(1), { maxLength: 2 }),
    fc.array(shapes(1), { maxLength: 2 }),
  );
  const order = fc.array(fc.nat(), { minLength: 6, maxLength: 6 });
  const edges = fc.array(fc.option(fc.array(fc.nat(5)), { nil: undefined }), { minLength: 6, maxLength: 6 });
  return fc.tuple(lists, order, edges).map(([[main, rescue, always], ranks, needs]) => {
    let count = 0;
    const named = (shape: Shape): Model => {
      const id = `s${count++}`;
      return { ...shape, id, needs: undefined, rescue: shape.rescue.map(named), always: shape.always.map(named) };
    };
    const steps = main.map((shape, at) => named(at === 0 ? withoutItems(shape) : shape));
    return { steps: withNeeds(steps, ranks, needs), rescue: rescue.map(named), always: always.map(named) };
  });
}

/** The step that others read. */
function withoutItems(shape: Shape): Shape {
  return { ...shape, foreach: undefined, name: plain };
}

/** A step needs only steps of a lower rank; without `needs` the one before it must be one. */
function withNeeds(
  steps: readonly Model[],
  ranks: readonly number[],
  edges: readonly (readonly number[] | undefined)[],
): readonly Model[] {
  const isBelow = (one: number, other: number): boolean =>
    (ranks[one] ?? 0) < (ranks[other] ?? 0) || (ranks[one] === ranks[other] && one < other);
  return steps.map((step, at) => {
    const wanted = edges[at];
    if (wanted === undefined && (at === 0 || isBelow(at - 1, at))) return step;
    const lower = new Set((wanted ?? []).filter(other => other < steps.length && isBelow(other, at)));
    return { ...step, needs: [...lower].flatMap(other => steps[other]?.id ?? []) };
  });
}

interface Shape extends Pick<Model, 'when' | 'foreach' | 'name'> {
  readonly rescue: readonly Shape[];
  readonly always: readonly Shape[];
}

function shapes(depth: number): fc.Arbitrary<Shape> {
  const nested = depth === 0 ? fc.constant([]) : fc.array(shapes(depth - 1), { maxLength: 2 });
  return fc.constantFrom(undefined, undefined, 'known' as const, 'later' as const).chain(foreach =>
    fc.record({
      foreach: fc.constant(foreach),
      when: fc.constantFrom(undefined, undefined, ...conditions),
      name: fc.constantFrom(...pieces, ...(foreach === undefined ? [] : [ofItem])),
      rescue: nested,
      always: nested,
    }),
  );
}

/** What belongs to a step that is skipped already is no part of a plan. */
function modelsIn({ steps, rescue, always }: Book, known: Known): readonly Model[] {
  const whole = (model: Model): readonly Model[] =>
    model.when?.holds(known) === false ? [model] : [model, ...[...model.rescue, ...model.always].flatMap(whole)];
  return [...steps, ...rescue, ...always].flatMap(whole);
}

function idsIn(book: Book, known: Known): readonly string[] {
  return modelsIn(book, known).map(({ id }) => id);
}

function idsOf({ steps }: HostPlan): readonly string[] {
  return flat(steps).map(({ id }) => id);
}

function flat(steps: readonly StepPlan[]): readonly StepPlan[] {
  return steps.flatMap(step => [step, ...flat(step.steps)]);
}

function asExpected({ id, skipped, when, foreach, with: input, commands }: StepPlan) {
  return { id, skipped, when, foreach, input, commands };
}

function expected({ id, when, foreach, name }: Model, known: Known): ReturnType<typeof asExpected> {
  const holds = when === undefined ? true : when.holds(known);
  const each: readonly Known[] = foreach === 'known' ? known.params.names.map(item => ({ ...known, item })) : [known];
  const first = each[0];
  const later = `<${/^\$\{\{ (.*) \}\}$/.exec(name.text)?.[1]}>`;
  return {
    id,
    skipped: holds === false,
    when: holds === undefined ? when?.text : undefined,
    foreach: foreach === 'later' ? foreachTexts.later : undefined,
    input: first === undefined ? {} : { name: name.known(first) ?? later },
    commands: holds === false ? [] : each.map(at => `say ${name.known(at) ?? '<name>'}`),
  };
}

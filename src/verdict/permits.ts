import type { Evidence, PythonProcess, PythonWait } from '../python/process.ts';
import { weakest } from './confidence.ts';
import type { Confidence, JudgedThread, Wait } from './thread.ts';

/** A thread that is inside `with` blocks of a semaphore: each of them has one of its permits. */
export interface PermitHolder {
  readonly lwp: number;
  readonly permits: number;
  readonly confidence: Confidence;
  readonly at?: { readonly file: string; readonly line: number };
  readonly evidence: readonly Evidence[];
}

/** Who holds permits of a semaphore, by its address; by LWP. */
export function permitHolders(python: PythonProcess | undefined): (semaphore: bigint) => readonly PermitHolder[] {
  return semaphore =>
    (python?.threads ?? [])
      .flatMap(({ lwp, holds }): PermitHolder[] => {
        const own = holds.filter(({ kind, address }) => kind === 'semaphore' && address === semaphore);
        const [first] = own;
        if (lwp === undefined || first === undefined) return [];
        return [
          {
            lwp,
            permits: own.length,
            confidence: weakest(own.map(({ confidence }) => confidence)),
            ...(first.at && { at: first.at }),
            evidence: own.flatMap(({ evidence }) => evidence),
          },
        ];
      })
      .toSorted((a, b) => a.lwp - b.lwp);
}

/**
 * Who has the permits that a wait for a semaphore lacks. Proven where the blocks of a bounded semaphore account for all
 * permits that there are: one of them has to be left, for a `release()` out of turn would end in its ValueError. That a
 * permit of any other one is held by a block makes it likely: whoever took one without a block may give it back as well.
 * Where a bounded one's are not accounted for that is known: those in blocks are told, but no one thread has to act.
 */
export function lackedPermits(
  { address, permits }: PythonWait,
  holdersOf: (semaphore: bigint) => readonly PermitHolder[],
): Pick<Wait, 'holders' | 'ownerConfidence'> & { readonly evidence: readonly Evidence[] } {
  const holders = permits?.value === 0 ? holdersOf(address) : [];
  if (permits === undefined || holders.length === 0) return { evidence: [] };
  const held = holders.reduce((sum, each) => sum + each.permits, 0);
  const ownerConfidence =
    permits.initial === undefined || permits.initial === held
      ? weakest([permits.initial === undefined ? 'likely' : 'proven', ...holders.map(each => each.confidence)])
      : 'suspected';
  return {
    holders: holders.map(({ lwp }) => lwp),
    ownerConfidence,
    evidence: [
      { text: accountOf(holders, held, permits.initial) },
      ...holders
        .slice(0, toldHolders)
        .flatMap(({ lwp, evidence }) => evidence.map(entry => ({ ...entry, text: `holder ${lwp}: ${entry.text}` }))),
    ],
  };
}

/** Holders of one semaphore that are named, with what proves it. */
const toldHolders = 8;

/** `2 of its 2 permits are held inside with blocks: by thread 12 since shop.py:30 and …` */
function accountOf(holders: readonly PermitHolder[], held: number, initial: number | undefined): string {
  const count = initial === undefined ? `${held} permit${held === 1 ? '' : 's'}` : `${held} of its ${initial} permits`;
  const who = holders.slice(0, toldHolders).map(({ lwp, permits, at }) => {
    const where = at === undefined ? '' : ` since ${at.file}:${at.line}`;
    return `thread ${lwp}${permits === 1 ? '' : `, ${permits} times,`}${where}`;
  });
  const more = holders.length > toldHolders ? ` and ${holders.length - toldHolders} more` : '';
  const rest = initial !== undefined && initial > held ? '; who took the others is not known' : '';
  return `${count} ${held === 1 ? 'is' : 'are'} held inside with blocks: by ${who.join(', by ')}${more}${rest}`;
}

/**
 * The threads, each wait for a semaphore with the one holder that stands for all: any of them would do, so it is one that
 * goes on, as far as there is one. Where every holder waits for the others, directly or not, it is one of these, and the
 * circle is closed.
 */
export function withPermitOwners(threads: readonly JudgedThread[]): readonly JudgedThread[] {
  if (threads.every(({ waits }) => waits?.holders === undefined)) return threads;
  const needs = new Map(threads.flatMap(({ lwp, waits }) => (waits === undefined ? [] : [[lwp, needsOf(waits)]])));
  const rounds = freedIn(needs);
  const order = new Map(threads.map(thread => [thread.lwp, standing(thread)]));
  return threads.map(thread => {
    const { lwp, waits } = thread;
    if (waits?.holders === undefined || waits.ownerConfidence === 'suspected') return thread;
    const [owner] = waits.holders.toSorted(
      (a, b) =>
        (rounds.get(a) ?? Infinity) - (rounds.get(b) ?? Infinity) ||
        (order.get(a) ?? 0) - (order.get(b) ?? 0) ||
        Number(a === lwp) - Number(b === lwp) ||
        a - b,
    );
    return owner === undefined ? thread : { ...thread, waits: { ...waits, owner } };
  });
}

/** LWPs of which one has to act before a wait ends; none where nobody is known. */
function needsOf({ owner, holders, ownerConfidence }: Wait): readonly number[] {
  if (owner !== undefined) return [owner];
  return ownerConfidence === 'suspected' ? [] : (holders ?? []);
}

/**
 * In which round a thread is free to go on: in the first, 0, who waits for no thread; then who waits for one that is
 * free. Threads of a circle never are.
 */
function freedIn(needs: ReadonlyMap<number, readonly number[]>): ReadonlyMap<number, number> {
  const rounds = new Map<number, number>();
  const isFree = (lwp: number) => rounds.has(lwp) || !needs.has(lwp) || needs.get(lwp)?.length === 0;
  for (const each of new Set([...needs.values()].flat())) if (isFree(each)) rounds.set(each, 0);
  for (let round = 1, before = -1; before !== rounds.size; round++) {
    before = rounds.size;
    const freed = [...needs].filter(([lwp, needed]) => !rounds.has(lwp) && needed.some(isFree));
    for (const [lwp] of freed) rounds.set(lwp, round);
  }
  return rounds;
}

/** 0: it goes on; 1: it will soon, or waits with a limit; 2: it waits. */
function standing({ waits, moved }: JudgedThread): number {
  if (waits === undefined || moved === true) return 0;
  return waits.limited === true ? 1 : 2;
}

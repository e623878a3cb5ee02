import { HangarError } from '../errors.ts';
import type { Approval, ApprovalRequest } from '../runbook/step-kind.ts';
import { pause } from './pause.ts';
import type { RunEvent } from './run.ts';
import type { RunMessage } from './run-store.ts';

/** Where a question stands. */
export interface Place {
  readonly run: string;
  readonly host: string;
  readonly step: string;
}

export interface ApprovalsOptions {
  /** Answers so far, from whoever gave them (`runbook approve`): early ones count. */
  readonly messages: () => readonly RunMessage[];
  /** A question at this terminal; undefined when nobody is there. */
  readonly ask: (question: string, signal?: AbortSignal) => Promise<boolean | undefined>;
  /** Login name of the person at this terminal. */
  readonly by: string;
  readonly record: (event: RunEvent) => Promise<void>;
  readonly now: () => string;
}

/** How often the store is asked for answers (milliseconds). */
const pollMilliseconds = 250;

/** Lets people agree to what a run is about to do. */
export class Approvals {
  readonly #options: ApprovalsOptions;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /**
   * Waits until enough people agreed, one of them refused, or the time is over.
   * @throws HangarError `APPROVAL_DENIED`, `APPROVAL_TIMEOUT`, or the signal's reason
   */
  async request(place: Place, request: ApprovalRequest, signal: AbortSignal): Promise<Approval> {
    const { record, now } = this.#options;
    const until = new Date(Date.now() + request.ttlSeconds * 1000);
    const { question, count } = request;
    await record({ kind: 'approval-requested', at: now(), ...place, question, count, until: until.toISOString() });
    const answer = await this.#await(place, request, until, signal);
    await record({ kind: 'approval-answered', at: now(), ...place, answer: answer.outcome, by: [...answer.by] });
    if (answer.outcome === 'denied') throw denied(place, request, answer.by);
    if (answer.outcome === 'timed-out' && request.onTimeout === 'deny') throw timedOut(place, request, answer.by);
    return { approvedBy: answer.by };
  }

  async #await(place: Place, request: ApprovalRequest, until: Date, signal: AbortSignal): Promise<Answer> {
    const over = new AbortController();
    const atTerminal = this.#askHere(place, request, AbortSignal.any([signal, over.signal]));
    try {
      for (;;) {
        signal.throwIfAborted();
        const answer = decide(request, [...this.#answers(place, request), ...atTerminal.given]);
        if (answer !== undefined) return answer;
        if (Date.now() >= until.getTime()) return { outcome: 'timed-out', by: this.#approvers(place, request) };
        await pause(pollMilliseconds, signal);
      }
    } finally {
      over.abort();
    }
  }

  /** The person here is one of those who may answer. */
  #askHere({ host, step }: Place, request: ApprovalRequest, signal: AbortSignal): { readonly given: Given[] } {
    const { ask, by } = this.#options;
    const given: Given[] = [];
    if (mayAnswer(request, by))
      ask(`${host}: ${step}: ${request.question}`, signal).then(
        approved => approved !== undefined && given.push({ by, approved }),
        () => undefined,
      );
    return { given };
  }

  #answers({ host, step }: Place, request: ApprovalRequest): readonly Given[] {
    return this.#options
      .messages()
      .flatMap(message =>
        message.kind === 'answer' &&
        message.step === step &&
        (message.host ?? host) === host &&
        mayAnswer(request, message.by)
          ? [{ by: message.by, approved: message.approved }]
          : [],
      );
  }

  #approvers(place: Place, request: ApprovalRequest): readonly string[] {
    return [...new Set(this.#answers(place, request).flatMap(({ by, approved }) => (approved ? [by] : [])))];
  }
}

interface Given {
  readonly by: string;
  readonly approved: boolean;
}

interface Answer {
  readonly outcome: 'approved' | 'denied' | 'timed-out';
  readonly by: readonly string[];
}

/** One refusal decides; a person who agrees twice is still one. */
function decide({ count }: ApprovalRequest, given: readonly Given[]): Answer | undefined {
  const refused = given.filter(({ approved }) => !approved).map(({ by }) => by);
  if (refused.length > 0) return { outcome: 'denied', by: [...new Set(refused)] };
  const agreed = [...new Set(given.map(({ by }) => by))];
  return agreed.length >= count ? { outcome: 'approved', by: agreed } : undefined;
}

function mayAnswer({ by }: ApprovalRequest, who: string): boolean {
  return by === undefined || by.includes(who);
}

function denied({ run, host, step }: Place, { question }: ApprovalRequest, by: readonly string[]): HangarError {
  return new HangarError({
    code: 'APPROVAL_DENIED',
    message: `${host}: ${by.join(', ')} refused step "${step}": ${question}`,
    fix: `if that was not meant: runbook resume ${run}`,
    failure: 'denied',
  });
}

function timedOut({ run, host, step }: Place, request: ApprovalRequest, by: readonly string[]): HangarError {
  const { question, count, ttlSeconds } = request;
  const so = by.length === 0 ? 'nobody' : by.join(', ');
  return new HangarError({
    code: 'APPROVAL_TIMEOUT',
    message: `${host}: step "${step}" needs ${count === 1 ? 'somebody' : `${count} people`} to agree, and ${so} did within ${ttlSeconds} s: ${question}`,
    fix: `agree, then go on: runbook approve ${run} ${step} && runbook resume ${run}`,
    failure: 'denied',
  });
}

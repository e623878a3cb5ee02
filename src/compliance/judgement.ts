import type { Severity } from '../fleet/host-profile.ts';
import type { CheckResult, CheckState } from './schema.ts';

/** What a check asks, whatever the answer. */
export interface Question {
  readonly id: string;
  readonly severity: Severity;
  /** What goes wrong where it is not met. */
  readonly why: string;
  readonly origin: CheckResult['origin'];
}

interface Compared {
  /** What should be, in a few words. */
  readonly expected: string;
  /** What is. */
  readonly actual: string;
}

/** The answer to a question. */
export type Judgement =
  | (Compared & { readonly is: 'met' })
  | (Compared & {
      readonly is: 'deviating';
      readonly fix: string;
      /** Where it is another than the question's. */
      readonly severity?: Severity;
    })
  /** It could not be judged. */
  | (Compared & { readonly is: 'unseen'; readonly fix: string })
  | (Compared & { readonly is: 'not-applicable' });

/** The judgement as it is kept and shown. */
export function toResult(question: Question, judgement: Judgement, at: Date): CheckResult {
  const { id, why, origin } = question;
  const { expected, actual } = judgement;
  const severity = (judgement.is === 'deviating' ? judgement.severity : undefined) ?? question.severity;
  const fix = judgement.is === 'deviating' || judgement.is === 'unseen' ? judgement.fix : '';
  const state = stateOf(judgement, severity);
  return { id, state, severity, expected, actual, why, fix, lastKnownAt: at.toISOString(), origin };
}

function stateOf(judgement: Judgement, severity: Severity): CheckState {
  switch (judgement.is) {
    case 'met':
      return 'pass';
    case 'deviating':
      return severity === 'error' ? 'fail' : 'warn';
    case 'unseen':
      return 'error';
    case 'not-applicable':
      return 'not-applicable';
    default:
      return judgement satisfies never;
  }
}

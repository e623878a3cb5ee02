import type { OnUnknown } from '../runbook/runbook.ts';
import type { Risk } from '../runbook/step-kind.ts';
import type { PastStep } from './history.ts';

/** What to do with a step that comes up in a run that was taken up again. */
export type ResumeAction =
  /** As if for the first time, under a new key. */
  | { readonly kind: 'run' }
  /** It is done: its result stands. */
  | { readonly kind: 'reuse' }
  /** Ask its kind what became of it, under the old key. */
  | { readonly kind: 'probe' }
  /** Nobody can say whether it was done. */
  | { readonly kind: OnUnknown };

/**
 * The table of what follows from a step's past: nothing that was done is done again, nothing that may have been done is
 * done again unasked, and whatever only reads may always run.
 */
export function resumeAction(
  past: Pick<PastStep, 'state' | 'result'> | undefined,
  { risk, hasProbe, onUnknown }: { readonly risk: Risk; readonly hasProbe: boolean; readonly onUnknown: OnUnknown },
): ResumeAction {
  if (past === undefined) return { kind: 'run' };
  if (isSettled(past)) return { kind: 'reuse' };
  if (!isUncertain(past)) return { kind: 'run' };
  if (hasProbe) return { kind: 'probe' };
  return risk === 'read' ? { kind: 'run' } : unknownAction(risk, onUnknown);
}

/** After a probe that could not say, and where there is none. */
export function unknownAction(risk: Risk, onUnknown: OnUnknown): ResumeAction {
  return risk === 'read' ? { kind: 'run' } : { kind: onUnknown };
}

/** It succeeded, or it failed and the run went on all the same. */
function isSettled({ state, result }: Pick<PastStep, 'state' | 'result'>): boolean {
  if (state === 'succeeded') return true;
  return state === 'failed' && (result?.forgiven === true || result?.rescued === true);
}

/** It was begun, and may have had its effect. */
function isUncertain({ state, result }: Pick<PastStep, 'state' | 'result'>): boolean {
  if (state === 'started' || state === 'interrupted') return true;
  return (state === 'failed' || state === 'cancelled') && result?.uncertain === true;
}

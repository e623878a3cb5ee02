import type { Confidence } from './thread.ts';

/** The surest first. */
const order = ['proven', 'likely', 'suspected'] as const satisfies readonly Confidence[];

/** A chain is as sure as its weakest link. */
export function weakest(confidences: readonly Confidence[]): Confidence {
  return order.findLast(confidence => confidences.includes(confidence)) ?? 'proven';
}

/** One of several that would do is enough; none at all shows nothing. */
export function strongest(confidences: readonly Confidence[]): Confidence {
  return order.find(confidence => confidences.includes(confidence)) ?? 'suspected';
}

/** For sorting: the surer first. */
export function bySureness(left: Confidence, right: Confidence): number {
  return order.indexOf(left) - order.indexOf(right);
}

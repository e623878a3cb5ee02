import { z } from 'zod';
import { parseDuration } from '../quantity.ts';

/** A duration in a step's input: text, or seconds, which a param of that type has. */
export const durationInput = z.union([
  z.string().regex(/^(\d+(\.\d+)?(ms|s|m|h|d))+$/, 'a duration is "30s", "5m", "1m30s"'),
  z.number().min(0),
]);

export function secondsOf(duration: z.infer<typeof durationInput>): number {
  return typeof duration === 'number' ? duration : (parseDuration(duration) ?? 0);
}

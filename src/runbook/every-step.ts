import type { Runbook, Step } from './runbook.ts';

/** Every step of a runbook, those of rescue and always included, however deep; an include stands for what it includes. */
export function everyStep<Context>({ steps, rescue, always }: Runbook<Context>): readonly Step<Context>[] {
  return [...steps, ...rescue, ...always].flatMap(withNested);
}

function withNested<Context>(step: Step<Context>): readonly Step<Context>[] {
  return [step, ...[...step.rescue, ...step.always].flatMap(withNested)];
}

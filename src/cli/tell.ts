import type { RunEvent, StepRun } from '../run/run.ts';
import type { Progress } from './progress.ts';

/** One line for each thing that happens in a run. */
export function tell(event: RunEvent, progress: Progress): void {
  switch (event.kind) {
    case 'run-started':
      return progress.done(`run ${event.run} on ${event.hosts.join(', ')}`);
    case 'run-resumed':
      return progress.done(`run ${event.run} goes on, on ${event.hosts.join(', ')}`);
    case 'host-waiting':
      return progress.done(`${event.host}: ${event.text}`);
    case 'step-started':
      return progress.line(`${event.host}: ${event.step} …`);
    case 'step-progress':
      return progress.line(`${event.host}: ${event.step}: ${event.text}`);
    case 'step-retried':
      return progress.done(
        `${event.host}: ${event.step} failed (${event.error.message}); again in ${event.afterSeconds.toFixed(1)} s`,
      );
    case 'step-reused':
      return progress.done(`${event.host}: ${event.step} was done before`);
    case 'step-ended':
      return progress.done(`${event.host}: ${event.step} ${describeEnd(event.result)}`);
    case 'approval-requested':
      return progress.done(
        `${event.host}: ${event.step} waits until ${event.until} for somebody to agree: runbook approve ${event.run} ${event.step}\n  ${event.question}`,
      );
    case 'approval-answered': {
      const who = event.by.length === 0 ? '' : ` by ${event.by.join(', ')}`;
      return progress.done(`${event.host}: ${event.step} ${event.answer}${who}`);
    }
    case 'cancel-requested':
      return progress.done(`cancelled by ${event.by}: ending in order`);
    case 'host-started':
    case 'host-ended':
    case 'run-ended':
      return;
    default:
      event satisfies never;
  }
}

function describeEnd({ status, seconds, reason, error }: StepRun): string {
  const why = reason ?? (error === undefined ? undefined : `${error.code}: ${error.message}`);
  return `${status} after ${seconds.toFixed(1)} s${why === undefined ? '' : ` (${why})`}`;
}

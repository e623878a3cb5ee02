/** Clean-up of a run that was cancelled gets this long. */
const cleanUpSeconds = 60;

/**
 * A signal for steps that run whatever happened: it is aborted only when the run has been cancelled for a minute, with
 * the reason of that. Dispose it when they are done.
 */
export function cleanUpSignal(cancelled: AbortSignal): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(() => controller.abort(cancelled.reason), cleanUpSeconds * 1000);
  };
  if (cancelled.aborted) begin();
  else cancelled.addEventListener('abort', begin, { once: true });
  return {
    signal: controller.signal,
    dispose() {
      clearTimeout(timer);
      cancelled.removeEventListener('abort', begin);
    },
  };
}

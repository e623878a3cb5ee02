import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HangarError, messageOf } from '../errors.ts';
import { quote } from '../quote.ts';
import type { Place, StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { exportLines } from '../ssh/remote-work.ts';
import { durationInput, secondsOf } from './duration-input.ts';
import type { Incident, Machine } from './incident.ts';
import { envSchema, textsOf } from './work-step.ts';

const input = z
  .strictObject({
    port: z.int().min(1).max(65_535).optional().describe('something listens on it'),
    http: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('it answers with a status below 500'),
    file: z.string().min(1).optional().describe('it exists'),
    command: z.string().min(1).optional().describe('shell text that ends with 0; values come through `env`'),
    env: envSchema.optional().describe('variables of the command'),
    interval: durationInput.default(1).describe('between two tries'),
  })
  .refine(
    ({ port, http, file, command }) => [port, http, file, command].filter(each => each !== undefined).length === 1,
    'expected exactly one of port, http, file, command',
  );
const output = z.object({ seconds: z.number(), tries: z.int() });

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** Waits until something is so, as long as the step may take. */
export const waitForStep: StepKind<Incident, Input, Output> = {
  name: 'wait-for',
  summary: 'waits until a port listens, a URL answers, a file exists, or a command succeeds',
  risk: 'read',
  literal: ['command'],
  input,
  output,
  commands: (asked, { host }, where) => [describe(asked, host.address ?? host.name, where)],
  async run(asked, incident, runtime) {
    const began = performance.now();
    for (let tries = 1; ; tries++) {
      const why = await reasonAgainst(asked, incident, runtime);
      if (why === undefined) return { seconds: Math.round(performance.now() - began) / 1000, tries };
      runtime.progress(why);
      await pause(secondsOf(asked.interval), why, runtime);
    }
  },
};

/** Of one try. */
const trySeconds = 30;
const answerSeconds = 5;

function describe({ port, http, file, command }: Partial<Input>, address: string, where: Place): string {
  if (port !== undefined)
    return where === 'controller' ? `connect to ${address} port ${port}` : `grep port ${port} /proc/net/tcp*`;
  if (http !== undefined) return `curl ${quote(http)}`;
  if (file !== undefined) return `test -e ${quote(file)}`;
  return command ?? '<command>';
}

/** One try: why it is not so yet; undefined where it is. A lost connection is an error. */
async function reasonAgainst(asked: Input, incident: Incident, runtime: StepRuntime): Promise<string | undefined> {
  const { signal, where } = runtime;
  try {
    if (where === 'controller' && asked.port !== undefined) return await reasonOfPort(incident, asked.port, signal);
    if (where === 'controller' && asked.http !== undefined) return await reasonOfUrl(asked.http, signal);
    return await reasonThere(asked, incident.machine(where), signal);
  } catch (error) {
    if (signal.aborted) throw endedWhile(signal.reason, 'the first try had not ended');
    if (error instanceof HangarError && error.code === 'REMOTE_TIMEOUT') return messageOf(error);
    throw error;
  }
}

function reasonOfPort({ host }: Incident, port: number, signal: AbortSignal): Promise<string | undefined> {
  const address = host.address ?? host.name;
  return new Promise(resolve => {
    const socket = connect({ host: address, port, signal: AbortSignal.any([signal, limit()]) });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', error => resolve(`${address} port ${port} does not take connections: ${messageOf(error)}`));
  });
}

async function reasonOfUrl(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.any([signal, limit()]) });
    await answer.body?.cancel();
    return answer.status < 500 ? undefined : `${url} answers with status ${answer.status}`;
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return `${url} does not answer: ${messageOf(cause)}`;
  }
}

function limit(): AbortSignal {
  return AbortSignal.timeout(answerSeconds * 1000);
}

async function reasonThere(asked: Input, { shell }: Machine, signal: AbortSignal): Promise<string | undefined> {
  const command = { line: 'sh -s', stdin: `(\n${scriptOf(asked)}) </dev/null\nexit\n` };
  const { exitCode, stdout, stderr } = await shell.run(command, { signal, timeoutSeconds: trySeconds + 5 });
  const text = stdout.toString('utf8');
  if (exitCode === 0 && /^so$/m.test(text)) return undefined;
  const why = /^why (.*)$/m.exec(text)?.[1];
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return why ?? `the try ended with ${exitCode}${last === '' ? '' : `: ${last}`}`;
}

/** Prints `so`, or `why …`. */
function scriptOf({ port, http, file, command, env }: Input): string {
  if (port !== undefined) return portScript(port);
  if (http !== undefined) return urlScript(http);
  if (file !== undefined)
    return `file=${quote(file)}\nif [ -e "$file" ]; then echo so; else echo "why there is no $file"; fi\n`;
  return `check=${quote(command ?? '')}
(
${exportLines(textsOf(env))}exec timeout -k 1 ${trySeconds} sh -c "$check"
) >/dev/null
code=$?
if [ "$code" = 0 ]; then echo so; exit 0; fi
exit "$code"
`;
}

/** A listening socket has the state 0A (proc(5), /proc/net/tcp). */
function portScript(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return `if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" && $2 ~ /:${hex}$/ { found = 1 } END { exit !found }'
then echo so; else echo 'why nothing listens on port ${port}'; fi
`;
}

/** As the check of a service: certificates are not verified on the host itself, proxies not used. */
function urlScript(url: string): string {
  return `url=${quote(new URL(url).href)}
if command -v curl >/dev/null 2>&1; then
  status=$(printf 'url = "%s"\\n' "$url" | curl -q -sk -o /dev/null --noproxy '*' --max-time ${answerSeconds} -w '%{http_code}' -K - 2>/dev/null)
elif command -v wget >/dev/null 2>&1; then
  unset http_proxy https_proxy
  answer=$(timeout ${answerSeconds} wget -q -S -O /dev/null -T ${answerSeconds} "$url" 2>&1) && status=200
  shown=$(printf '%s\\n' "$answer" | sed -n 's/.*HTTP\\/[0-9.]* \\([0-9][0-9][0-9]\\).*/\\1/p' | tail -n 1)
  status=\${shown:-\${status:-000}}
else
  echo 'why neither curl nor wget is installed there'; exit
fi
case $status in
  [1234]??) echo so ;;
  000) echo "why $url does not answer" ;;
  *) echo "why $url answers with status $status" ;;
esac
`;
}

async function pause(seconds: number, why: string, { signal }: StepRuntime): Promise<void> {
  // What is asked without a pause would keep the host busy.
  await sleep(Math.max(seconds, 0.05) * 1000, undefined, { signal }).catch(() => {
    throw endedWhile(signal.reason, why);
  });
}

/** Why it was ended, and what it waited for. */
function endedWhile(reason: unknown, why: string): HangarError {
  const known = reason instanceof HangarError ? reason : undefined;
  return new HangarError({
    code: known?.code ?? 'CANCELLED',
    message: `${messageOf(reason)}; ${why}`,
    fix: known?.fix ?? 'see why it is not so; `timeout` of the step gives it more time',
    failure: known?.failure ?? 'cancelled',
    cause: reason,
  });
}

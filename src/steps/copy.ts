import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { HangarError } from '../errors.ts';
import { quote } from '../quote.ts';
import type { StepKind, StepRuntime } from '../runbook/step-kind.ts';
import { asRoot } from '../ssh/as-root.ts';
import type { RemoteCommand } from '../ssh/session.ts';
import { transferSeconds } from './fetch-file.ts';
import type { Incident, Machine } from './incident.ts';

const path = z
  .string()
  .startsWith('/')
  .regex(/^[^\0\n]*[^/\0\n]$/, 'a path has no line break and no / at its end');

const input = z.strictObject({
  from: z.string().min(1).describe('file of the controller, relative to the working directory unless absolute'),
  to: path.describe('absolute path on the host'),
  mode: z
    .string()
    .regex(/^[0-7]{3,4}$/, 'a mode is octal, as "0644"')
    .default('0644'),
  become: z.boolean().default(false).describe('write it as root'),
});
const output = z.object({
  path: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  changed: z.boolean().describe('false: content and mode were right already'),
});

type Input = z.infer<typeof input>;
type Output = z.infer<typeof output>;

/** A file of the controller, on the host whole or not at all; one that is right already is left alone. */
export const copyStep: StepKind<Incident, Input, Output> = {
  name: 'copy',
  summary: 'copies a file of the controller to the host',
  risk: 'write',
  input,
  output,
  commands({ from = '<from>', to = '<to>', mode = '0644', become = false }, incident, where) {
    const target = to.startsWith('<') ? to : quote(to);
    const line = `install -m ${mode} /dev/stdin ${target}`;
    return [`${become ? asRoot(incident.machine(where).host, { line }).line : line} <${from}`];
  },
  async run(asked, incident, runtime) {
    const machine = incident.machine(runtime.where);
    const content = await readContent(asked.from);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const result = { path: asked.to, sha256, bytes: content.length };
    if (await isThere(machine, asked, sha256, runtime)) return { ...result, changed: false };
    await send(machine, asked, content, sha256, runtime);
    return { ...result, changed: true };
  },
  // It is in place whole or not at all, and what is right is left alone.
  probe: async () => ({ state: 'notDone' }),
};

const mostBytes = 64 * 1024 * 1024;

/** @throws HangarError `FILE_UNREADABLE`, `FILE_TOO_LARGE` */
async function readContent(from: string): Promise<Buffer> {
  try {
    const { size } = await stat(resolve(from));
    if (size > mostBytes) throw tooLarge(from, size);
    return await readFile(resolve(from));
  } catch (cause) {
    if (cause instanceof HangarError) throw cause;
    throw new HangarError({
      code: 'FILE_UNREADABLE',
      message: `"${from}" cannot be read`,
      fix: 'name a file of this machine, relative to the working directory or absolute',
      failure: 'usage',
      cause,
    });
  }
}

async function isThere(machine: Machine, asked: Input, sha256: string, runtime: StepRuntime): Promise<boolean> {
  const script = `[ -f ${quote(asked.to)} ] && sha256sum <${quote(asked.to)} && stat -L -c 'mode %a' -- ${quote(asked.to)}\nexit\n`;
  const { stdout } = await machine.shell.run(command(machine, asked, 'sh -s', script), limitsOf(runtime));
  const text = stdout.toString('utf8');
  const mode = /^mode ([0-7]+)$/m.exec(text)?.[1];
  return mode !== undefined && Number.parseInt(mode, 8) === Number.parseInt(asked.mode, 8) && text.includes(sha256);
}

/**
 * Reads path, mode and hash as lines, the content behind them; all on stdin, where no process list shows them. A link
 * is followed, and the owner of a file that is replaced kept.
 */
const receiver = [
  'umask 077; IFS= read -r to; IFS= read -r mode; IFS= read -r sum',
  '[ ! -L "$to" ] || to=$(readlink -f -- "$to")',
  '[ ! -d "$to" ] || { echo "why it is a directory"; exit; }',
  'part=$(mktemp "$(dirname -- "$to")/.hangar.XXXXXXXX") || { echo "why nothing can be written there"; exit; }',
  'trap \'rm -f -- "$part"\' EXIT',
  'trap "exit 1" HUP INT TERM PIPE',
  'cat >"$part" || { echo "why the disk is full, or fails"; exit; }',
  'found=$(sha256sum <"$part")',
  '[ "${found%% *}" = "$sum" ] || { echo "why it arrived damaged: expected SHA-256 $sum, found ${found%% *}"; exit; }',
  '[ ! -e "$to" ] || chown "$(stat -c %u:%g -- "$to")" "$part" 2>/dev/null',
  'chmod "$mode" "$part" && mv -f -- "$part" "$to" && echo copied || echo "why it cannot be put in place"',
].join('; ');

/** @throws HangarError `COPY_FAILED`, or as `SshSession.run` */
async function send(
  machine: Machine,
  asked: Input,
  content: Buffer,
  sha256: string,
  runtime: StepRuntime,
): Promise<void> {
  const stdin = Buffer.concat([Buffer.from(`${asked.to}\n${asked.mode}\n${sha256}\n`), content]);
  const asking = command(machine, asked, `sh -c ${quote(receiver)}`, stdin);
  const { stdout, stderr } = await machine.shell.run(asking, limitsOf(runtime));
  const text = stdout.toString('utf8');
  if (/^copied$/m.test(text)) return;
  const why = /^why (.*)$/m.exec(text)?.[1] ?? 'the shell there did not do it';
  const last = stderr.trim().split('\n').at(-1) ?? '';
  throw new HangarError({
    code: 'COPY_FAILED',
    message: `"${machine.host.name}": "${asked.to}" was not written: ${why}${last === '' ? '' : ` (${last})`}`,
    fix: asked.become
      ? 'see the directory there: ls -ld, df -h'
      : 'see the directory there; `become: true` writes as root',
    failure: 'step',
  });
}

function command({ host }: Machine, { become }: Input, line: string, stdin: string | Buffer): RemoteCommand {
  return become ? asRoot(host, { line, stdin }) : { line, stdin };
}

function limitsOf({ signal, timeoutSeconds = transferSeconds }: StepRuntime) {
  return { signal, timeoutSeconds };
}

function tooLarge(from: string, size: number): HangarError {
  return new HangarError({
    code: 'FILE_TOO_LARGE',
    message: `"${from}" has ${size} bytes: expected at most ${mostBytes}`,
    fix: 'let the host download it: a shell step with curl',
    failure: 'step',
  });
}

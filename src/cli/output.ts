import { closeSync, openSync, writeFileSync } from 'node:fs';
import { HangarError, messageOf } from '../errors.ts';
import { type ReportFormat, reportFormats } from '../report/formats.ts';
import type { GlobalOptions, Io } from './io.ts';

/** Prints a result on stdout, or into `--output FILE` (0600: results quote the host's sources and requests). */
export function printResult(text: string, { output }: GlobalOptions, io: Io): void {
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if (output === undefined) io.stdout.write(whole);
  else writeOutput(output, whole);
}

/** The form of anything but compliance. @throws HangarError `USAGE` */
export function reportFormat({ format }: Pick<GlobalOptions, 'format'>): ReportFormat {
  const found = reportFormats.find(each => each === format);
  if (found !== undefined) return found;
  throw new HangarError({
    code: 'USAGE',
    message: `--format ${format} is a form of compliance, and this is none`,
    fix: `use --format ${reportFormats.join(', ')}`,
    failure: 'usage',
  });
}

export function printJson(value: unknown, options: GlobalOptions, io: Io): void {
  printResult(JSON.stringify(value, null, 2), options, io);
}

/** Prints an error for people on stderr and, under `--format json`, as the one JSON document on stdout. */
export function printError(
  thrown: unknown,
  { format, verbose }: Pick<GlobalOptions, 'format' | 'verbose'>,
  io: Io,
): void {
  const { code, message, cause, fix } = describeError(thrown);
  io.stderr.write(
    [`error ${code}: ${message}`, ...(cause ? [`  cause: ${cause}`] : []), `  fix: ${fix}`, ''].join('\n'),
  );
  if (verbose && thrown instanceof Error) io.stderr.write(`${thrown.stack}\n`);
  if (format === 'json')
    io.stdout.write(
      `${JSON.stringify({ schema: 'hangar.error/1', error: { code, message, ...(cause && { cause }), fix } }, null, 2)}\n`,
    );
}

export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof HangarError ? thrown.exitCode : 1;
}

function describeError(thrown: unknown): { code: string; message: string; cause?: string; fix: string } {
  if (!(thrown instanceof HangarError))
    return {
      code: 'INTERNAL',
      message: messageOf(thrown),
      fix: 'run it again with --verbose and report what it prints',
    };
  const { code, message, fix, cause } = thrown;
  return { code, message, fix, ...(cause !== undefined && { cause: messageOf(cause) }) };
}

/** Before anything is done: what it gave would be lost. @throws HangarError `OUTPUT_UNWRITABLE` */
export function needWritable(path: string | undefined): void {
  if (path === undefined) return;
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** @throws HangarError `OUTPUT_UNWRITABLE` */
export function writeOutput(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600 });
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): HangarError {
  return new HangarError({
    code: 'OUTPUT_UNWRITABLE',
    message: `cannot write "${path}"`,
    fix: 'name a file in a directory that you may write: --output FILE',
    failure: 'usage',
    cause,
  });
}

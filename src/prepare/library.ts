import { readFileSync } from 'node:fs';
import { programText } from '../host/program.ts';

/** The shell functions that every script of this folder begins with, and those of one of them. */
export function library(name: 'prepare' | 'remove'): string {
  return ['common.sh', 'apt.sh', `${name}.sh`].map(read).join('');
}

/** Functions of the host program that a preparation measures with: what it finds is what the program will find. */
export function measures(): string {
  return ['all_processes', 'python_among', 'estimate'].map(hostFunction).join('\n');
}

/** The host program as a shell function that prints it. */
export function programFunction(): string {
  const text = programText();
  if (text.split('\n').includes(endOfProgram)) throw new Error(`the host program has a line ${endOfProgram}`);
  return `program_text() {\n  cat <<'${endOfProgram}'\n${text}${endOfProgram}\n}\n`;
}

/**
 * The last lines of a script: the command that acts, where nothing that it runs reads the script's own text on stdin. Cut
 * off anywhere, they are a syntax error and do nothing.
 */
export function whole(command: string): readonly string[] {
  return ['{', `  ${command} </dev/null`, '  exit 32', '}', ''];
}

const endOfProgram = 'END_OF_HOST_PROGRAM';

function hostFunction(name: string): string {
  const found = new RegExp(`^${name}\\(\\) \\{\\n[^]*?^\\}\\n`, 'm').exec(programText());
  if (found === null) throw new Error(`the host program has no function ${name}`);
  return found[0];
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}

import type { FileFact } from '../../host/facts.ts';
import type { Judgement } from '../judgement.ts';
import { hidden, type Situation, untold } from '../situation.ts';

export interface WantedFile {
  readonly path: string;
  /** In words. */
  readonly expected: string;
  readonly kind: 'file' | 'directory';
  /** Octal, four digits; absent: any in which everybody may read. */
  readonly mode?: string;
  /** Hex, of a file's bytes. */
  readonly sha256?: string;
  /** Whether it may be a link to the file. */
  readonly mayBeLink?: boolean;
  /** Whether nobody but root may replace it. */
  readonly isFixed?: boolean;
  readonly fix: string;
}

/** Whether a file of root is there as it should be. */
export function judgeFile(wanted: WantedFile, situation: Situation): Judgement {
  const { path, expected, fix } = wanted;
  const fact = situation.facts.files.get(path);
  if (fact === undefined) return untold(situation, expected, path);
  switch (fact.status) {
    case 'unreadable':
      return hidden(situation, expected);
    case 'absent':
      return { is: 'deviating', expected, actual: `${path} is not there`, fix };
    case 'present': {
      const faults = faultsOf(fact, wanted);
      if (faults.length > 0) return { is: 'deviating', expected, actual: `${path} ${faults.join(', ')}`, fix };
      const isTextKnown = wanted.sha256 === undefined || fact.sha256 !== undefined;
      return isTextKnown ? { is: 'met', expected, actual: expected } : hidden(situation, expected);
    }
    default:
      return fact satisfies never;
  }
}

function faultsOf(fact: Extract<FileFact, { status: 'present' }>, wanted: WantedFile): readonly string[] {
  const isLink = fact.kind === 'link' && wanted.mayBeLink === true;
  if (fact.kind !== wanted.kind && !isLink) return [`is ${kindText[fact.kind]}, not ${kindText[wanted.kind]}`];
  const faults: string[] = [];
  if (isLink && fact.target === undefined) faults.push('leads to nothing');
  if (fact.target !== undefined && (fact.target.owner !== 'root' || isWritable(fact.target.mode)))
    faults.push(`leads to a file of "${fact.target.owner}" with mode ${fact.target.mode}, which others may change`);
  if (fact.owner !== 'root') faults.push(`belongs to "${fact.owner}", not to root`);
  if (wanted.mode !== undefined && fact.mode !== wanted.mode)
    faults.push(`has mode ${fact.mode} instead of ${wanted.mode}`);
  if (wanted.mode === undefined && !isLink && !isPlain(fact.mode)) faults.push(`has mode ${fact.mode} instead of 0644`);
  const { directory } = fact;
  if (wanted.isFixed === true && (directory.owner !== 'root' || isWritable(directory.mode)))
    faults.push(`lies in a directory of "${directory.owner}" with mode ${directory.mode}, which others may change`);
  if (isOther(fact, wanted)) faults.push(fact.bytes === 0 ? 'is empty' : 'has another text');
  return faults;
}

/** A large file has no hash, and is none that we wrote. */
function isOther({ sha256, bytes }: Extract<FileFact, { status: 'present' }>, wanted: WantedFile): boolean {
  if (wanted.sha256 === undefined) return false;
  return sha256 === undefined ? bytes > 2 ** 20 : sha256 !== wanted.sha256;
}

const kindText = {
  file: 'a file',
  directory: 'a directory',
  link: 'a symbolic link',
  other: 'a special file',
} as const;

/** Everybody may read, none but root may write. */
function isPlain(mode: string): boolean {
  const bits = Number.parseInt(mode, 8);
  return (bits & 0o444) === 0o444 && !isWritable(mode);
}

function isWritable(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o022) !== 0;
}

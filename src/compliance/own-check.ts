import type { HostName } from '../fleet/host.ts';
import type { Question } from './judgement.ts';
import type { Matcher } from './matcher.ts';

/** A check that a user wrote. */
export interface OwnCheck extends Question {
  readonly origin: 'own';
  readonly title?: string;
  readonly fix: string;
  readonly isFor: (host: HostName) => boolean;
  readonly asks: OwnQuestion;
}

export type OwnQuestion =
  | {
      readonly kind: 'command';
      /** Shell text. */
      readonly run: string;
      readonly exitCode: number;
      readonly stdout?: Matcher;
      /** As root. */
      readonly become: boolean;
      readonly timeoutSeconds: number;
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly exists: boolean;
      /** Octal, four digits. */
      readonly mode?: string;
      readonly owner?: string;
      readonly group?: string;
      /** Lowercase hex. */
      readonly sha256?: string;
      readonly contains?: Matcher;
    }
  | { readonly kind: 'package'; readonly name: string; readonly installed: boolean; readonly version?: Matcher }
  | { readonly kind: 'service'; readonly name: string; readonly running?: boolean; readonly enabled?: boolean }
  | { readonly kind: 'sysctl'; readonly name: string; readonly value: string }
  | {
      readonly kind: 'port';
      /** TCP. */
      readonly port: number;
      /** The very address that is listened at; absent: any. */
      readonly address?: string;
      readonly listening: boolean;
    };

/** What a host said of such a question. */
export type OwnAnswer =
  | {
      readonly kind: 'command';
      readonly exitCode: number;
      /** The first 4 KiB of stdout; without a matcher for it, of stderr too. */
      readonly stdout: string;
      readonly isCut: boolean;
    }
  | { readonly kind: 'file'; readonly status: 'absent' }
  | {
      readonly kind: 'file';
      readonly status: 'present';
      /** Octal, four digits. */
      readonly mode: string;
      readonly owner: string;
      readonly group: string;
      readonly sha256?: string;
      /** The first 64 KiB, where its text is asked for. */
      readonly content?: string;
      readonly isCut: boolean;
    }
  | { readonly kind: 'package'; readonly status: 'installed' | 'half' | 'absent'; readonly version?: string }
  | { readonly kind: 'service'; readonly isRunning: boolean; readonly isEnabled: boolean }
  /** Undefined: this kernel has none of that name. */
  | { readonly kind: 'sysctl'; readonly value: string | undefined }
  /** Addresses that are listened at. */
  | { readonly kind: 'port'; readonly addresses: readonly string[] }
  | { readonly kind: 'unseen'; readonly why: string; readonly needsRoot: boolean };

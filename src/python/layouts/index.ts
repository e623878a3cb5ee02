// Made by scripts/layout/make.ts.
import type { Layout } from '../layout.ts';
import { layout as python2_7 } from './2.7.ts';
import { layout as python3_9 } from './3.9.ts';
import { layout as python3_11 } from './3.11.ts';
import { layout as python3_13 } from './3.13.ts';

/** One table a CPython minor, ascending. */
export const layouts: readonly Layout[] = [python2_7, python3_9, python3_11, python3_13];

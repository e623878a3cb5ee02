// Made by scripts/layout/make.ts.
import type { Layout } from '../layout.ts';
import { layout as python2_7 } from './2.7.ts';
import { layout as python3_6 } from './3.6.ts';
import { layout as python3_7 } from './3.7.ts';
import { layout as python3_8 } from './3.8.ts';
import { layout as python3_9 } from './3.9.ts';
import { layout as python3_10 } from './3.10.ts';
import { layout as python3_11 } from './3.11.ts';
import { layout as python3_12 } from './3.12.ts';
import { layout as python3_13 } from './3.13.ts';
import { layout as python3_13t } from './3.13t.ts';
import { layout as python3_14 } from './3.14.ts';
import { layout as python3_14t } from './3.14t.ts';

/** One table a CPython minor, ascending. */
export const layouts: readonly Layout[] = [
  python2_7,
  python3_6,
  python3_7,
  python3_8,
  python3_9,
  python3_10,
  python3_11,
  python3_12,
  python3_13,
  python3_14,
];

/** Those of free-threaded builds (PEP 703). */
export const freeThreadedLayouts: readonly Layout[] = [python3_13t, python3_14t];

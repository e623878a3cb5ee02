import { z } from 'zod';
import type { NativeThread } from './stacks.ts';

/** What stacks.py writes, once it is checked: the debugger reads hostile input, so its answer is not trusted either. */
export interface ParsedAnswer {
  readonly version: string;
  readonly threads: readonly NativeThread[];
}

/** Undefined for anything but one document of that shape. */
export function parseAnswer(text: string): ParsedAnswer | undefined {
  const document = answerSchema.safeParse(parseJson(text));
  if (!document.success) return undefined;
  return { version: document.data.gdb, threads: document.data.threads };
}

const optionalText = z.string().max(1000).exactOptional();

const frameSchema = z.object({
  pc: z
    .string()
    .regex(/^0x[0-9a-f]{1,16}$/)
    .transform(text => BigInt(text)),
  function: optionalText,
  file: optionalText,
  line: z.int().positive().exactOptional(),
});

const answerSchema = z.object({
  gdb: z.string().max(200),
  threads: z.array(z.object({ lwp: z.int().nonnegative(), frames: z.array(frameSchema), stopped: optionalText })),
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

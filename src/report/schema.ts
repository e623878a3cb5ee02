import { z } from 'zod';

/** `hangar.report/1` (contract, `Results`). Readers accept fields that they do not know. */

const address = z.string().regex(/^0x[0-9a-f]+$/);
const confidence = z.enum(['proven', 'likely', 'suspected']);
const seconds = z.number();
const lwp = z.int();

const sourceSchema = z.looseObject({
  firstLine: z.int(),
  lines: z.array(z.string()),
  status: z.enum(['as-run', 'changed-since', 'given', 'absent']),
});

const findingSchema = z.looseObject({
  class: z.enum([
    'deadlock',
    'busy-loop',
    'busy-native',
    'blocking-io',
    'lock-wait',
    'orphaned-lock',
    'wait-notify',
    'sleep',
    'uninterruptible',
    'stopped',
    'pool-exhausted',
    'unreadable',
  ]),
  confidence,
  summary: z.string(),
  roots: z.array(
    z.looseObject({
      lwp,
      function: z.string(),
      file: z.string(),
      line: z.int(),
      task: z
        .looseObject({ kind: z.enum(['asyncio', 'greenlet']), name: z.string().optional(), address })
        .optional()
        .describe('the suspended task that it is; `lwp` runs its event loop and is free'),
      source: sourceSchema.optional().describe('of a task'),
    }),
  ),
  victims: z.array(lwp).describe('LWPs that wait, directly or not, for a root'),
  tasks: z
    .array(address)
    .optional()
    .describe('`address` of tasks that wait, directly or not, for a root, or for the thread that it keeps from them'),
  evidence: z.array(
    z.looseObject({
      text: z.string(),
      address: address.optional(),
      value: z.string().optional().describe('little-endian number of `bytes` bytes at `address`'),
      bytes: z.int().optional(),
    }),
  ),
  next: z.string().describe('one next action or command'),
  signature: z.string().describe('equal for the same cause elsewhere'),
});

const localsSchema = z
  .array(z.looseObject({ name: z.string(), value: z.string(), argument: z.boolean().optional() }))
  .describe('arguments and variables as short texts without secrets; only where they were asked for');

const requestSchema = z.looseObject({ method: z.string(), path: z.string() });

const threadSchema = z.looseObject({
  lwp,
  nsPid: z.int().optional(),
  name: z.string().optional(),
  state: z.enum(['running', 'sleeping', 'uninterruptible', 'stopped', 'zombie']).optional(),
  cpuPercent: z.number().optional(),
  role: z.enum(['application', 'idle', 'runtime']),
  gil: z.enum(['holds', 'waits', 'none']),
  python: z.array(
    z.looseObject({
      function: z.string(),
      file: z.string(),
      line: z.int(),
      interpreter: z.number(),
      source: sourceSchema.optional(),
      locals: localsSchema.optional(),
    }),
  ),
  native: z.array(
    z.looseObject({
      function: z.string().optional(),
      module: z.string().optional(),
      offset: address.optional(),
      file: z.string().optional(),
      line: z.int().optional(),
    }),
  ),
  stack: z.array(z.union([z.looseObject({ python: z.int() }), z.looseObject({ native: z.int() })])),
  waits: z
    .looseObject({
      kind: z.enum([
        'python-lock',
        'python-rlock',
        'import-lock',
        'condition',
        'event',
        'semaphore',
        'queue',
        'join',
        'mp-lock',
        'pthread-mutex',
        'gil',
        'io',
        'sleep',
        'child',
        'unknown',
      ]),
      address: address.optional(),
      owner: lwp.optional(),
      ownerTask: address.optional().describe('of the suspended task, or greenlet, that holds the lock'),
      holders: z
        .array(lwp)
        .optional()
        .describe('of a semaphore: LWPs inside its with blocks, of which any one would do'),
      pid: z.int().optional().describe('of the child process that it waits for'),
      module: z.string().optional().describe('whose import it waits for'),
      confidence,
      peer: z.string().optional(),
      fd: z.int().optional(),
      syscall: z.string().optional(),
      timeoutSeconds: seconds.optional(),
      socketTimeoutSeconds: seconds.nullable().optional().describe('of the Python socket that it waits on; null: none'),
    })
    .optional(),
  holds: z.array(
    z.looseObject({
      kind: z.string(),
      address,
      at: z.looseObject({ file: z.string(), line: z.int() }).optional(),
    }),
  ),
  request: requestSchema.optional(),
});

export const reportSchema = z.looseObject({
  schema: z.literal('hangar.report/1'),
  case: z.string(),
  summary: z.string().describe('one sentence that names the cause, or says that nothing hangs'),
  host: z.looseObject({
    name: z.string(),
    address: z.string().optional(),
    os: z.string().optional(),
    kernel: z.string().optional(),
  }),
  process: z.looseObject({
    pid: z.int(),
    command: z.array(z.string()),
    executable: z.string(),
    service: z.string().optional(),
    user: z.string().optional(),
    startedAt: z.string().optional(),
    pythons: z.array(z.string()),
  }),
  candidates: z
    .array(
      z.looseObject({
        pid: z.int(),
        state: z.enum(['hung', 'unsure', 'healthy']),
        reasons: z.array(z.string()),
        chosen: z.boolean(),
      }),
    )
    .optional(),
  capture: z
    .looseObject({
      method: z.enum(['gcore', 'given']),
      at: z.string().optional(),
      stoppedSeconds: seconds.optional(),
      coreBytes: z.number().describe('apparent size'),
      storedBytes: z.number().optional(),
      sha256: z.string().optional().describe('of the uncompressed core'),
    })
    .optional(),
  recovery: z
    .looseObject({
      mode: z.enum(['service', 'worker']),
      service: z.string(),
      succeeded: z.boolean(),
      downSeconds: seconds.optional(),
    })
    .optional(),
  findings: z.array(findingSchema).describe('most severe first; empty when nothing hangs'),
  threads: z.array(threadSchema).describe('every LWP of the core'),
  interpreters: z
    .array(
      z.looseObject({
        id: z.int().describe('0 is the main interpreter'),
        gil: z
          .looseObject({
            holder: lwp.optional().describe('absent: nobody'),
            waiters: z.array(lwp).describe('of all interpreters that share it'),
            dropRequested: z.boolean().optional().describe('whether its holder is asked to give it up'),
            evalBreaker: z
              .boolean()
              .optional()
              .describe("whether the holder's byte code is asked to stop for anything"),
            own: z.boolean().optional().describe("whether it is this interpreter's alone; absent before 3.12"),
          })
          .optional(),
        threads: z.array(lwp).describe('with a thread state in it'),
      }),
    )
    .optional(),
  tasks: z
    .array(
      z.looseObject({
        kind: z.enum(['asyncio', 'greenlet']),
        name: z.string().optional(),
        lwp: lwp.optional().describe('of the thread that runs its event loop'),
        loop: address
          .optional()
          .describe('address of its event loop; of a greenlet: of the hub, or of the main greenlet of its thread'),
        state: z
          .enum(['running', 'waiting', 'ready'])
          .optional()
          .describe('running: a thread executes it now; ready: it waits for nothing but its turn'),
        stack: z
          .array(
            z.looseObject({
              function: z.string(),
              file: z.string(),
              line: z.int(),
              locals: localsSchema.optional(),
            }),
          )
          .describe('innermost first'),
        awaits: z.string().optional(),
        address: address.optional().describe('of the task object, or greenlet'),
        loopClass: z.string().optional().describe('class of the event loop'),
        waitsFor: z
          .array(address)
          .optional()
          .describe('addresses of the tasks that have to end, or to release what it waits for'),
        inCycle: z.boolean().optional().describe('it is one of some that wait for each other'),
        request: requestSchema.optional(),
      }),
    )
    .optional()
    .describe('pending ones: running first, then waiting, then ready'),
  modules: z.array(
    z.looseObject({
      path: z.string(),
      buildId: z.string().optional(),
      file: z.enum(['found', 'missing', 'mismatched']),
      symbols: z.enum(['full', 'dynamic', 'none']),
      package: z.string().optional(),
    }),
  ),
  gaps: z
    .array(z.looseObject({ what: z.string(), why: z.string(), fix: z.string().optional() }))
    .describe('what could not be read'),
  timings: z.array(z.looseObject({ stage: z.string(), seconds })).describe('without process start'),
});

export type Report = z.infer<typeof reportSchema>;
export type ReportFinding = Report['findings'][number];
export type ReportThread = Report['threads'][number];
export type ReportLocals = z.infer<typeof localsSchema>;
export type ReportTask = NonNullable<Report['tasks']>[number];

/** JSON Schema of a report (draft 2020-12). */
export function reportJsonSchema(): unknown {
  return z.toJSONSchema(reportSchema);
}

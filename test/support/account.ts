import type { Report } from '../../src/report/schema.ts';
import type { Cause, ShopMarks } from './hosts/shop.ts';

/** What is to be said of a request that does not end. */
export interface HungRequest {
  readonly path: string;
  readonly cause: Cause;
  /** Class of the finding that its thread is a root of; absent for a victim. */
  readonly class?: Report['findings'][number]['class'];
  /** Path of the request whose thread must act first. */
  readonly behind?: string;
}

/** A line for each thread that is no idle one: its request, where it stands, whom it waits for, which causes it is of. */
export function accountOf({ threads, findings }: Report): readonly string[] {
  const pathOf = new Map(threads.map(({ lwp, request }) => [lwp, request?.path]));
  return threads
    .filter(({ role }) => role === 'application')
    .map(({ lwp, python: [frame], waits }) => {
      const behind = waits?.owner === undefined ? undefined : pathOf.get(waits.owner);
      const causes = findings.filter(({ roots }) => roots.some(root => root.lwp === lwp)).map(each => each.class);
      return told(pathOf.get(lwp), `${frame?.function} ${frame?.file}:${frame?.line}`, behind, causes.join());
    })
    .sort();
}

/** The lines that `accountOf` must give. */
export function accountFor(hung: readonly HungRequest[], { file, line, functionOf }: ShopMarks): readonly string[] {
  return hung
    .map(({ path, cause, class: kind = '', behind }) =>
      told(path, `${functionOf(cause)} ${file}:${line(cause)}`, behind, kind),
    )
    .sort();
}

function told(path: string | undefined, at: string, behind: string | undefined, causes: string): string {
  return `${path} in ${at}, behind ${behind ?? 'nobody'}, cause: ${causes}`;
}

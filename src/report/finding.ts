import { formatAddress } from '../corefile/memory.ts';
import type { Finding, Root } from '../verdict/finding.ts';
import type { ReportFinding } from './schema.ts';
import { type SourceLookup, sourceAround } from './thread.ts';

/** A finding as the report has it: addresses and values as `0x…` text. */
export function reportFinding(
  { evidence, roots, victims, tasks, ...rest }: Finding,
  sources?: SourceLookup,
): ReportFinding {
  return {
    ...rest,
    roots: roots.map(root => reportRoot(root, sources)),
    victims: [...victims],
    ...(tasks && { tasks: tasks.map(formatAddress) }),
    evidence: evidence.map(({ text, address, value, bytes }) => ({
      text,
      ...(address !== undefined && { address: formatAddress(address) }),
      ...(value !== undefined && { value: formatAddress(BigInt.asUintN(8 * (bytes ?? 8), value)) }),
      ...(address !== undefined && bytes !== undefined && { bytes }),
    })),
  };
}

/** The lines around the place of a thread are with that thread's frames. */
function reportRoot({ task, ...root }: Root, sources: SourceLookup | undefined): ReportFinding['roots'][number] {
  if (task === undefined) return { ...root };
  const source = sources && sourceAround(root, sources);
  return { ...root, task: { ...task, address: formatAddress(task.address) }, ...(source && { source }) };
}

import { formatAddress } from '../corefile/memory.ts';
import type { Finding } from '../verdict/finding.ts';
import type { ReportFinding } from './schema.ts';

/** A finding as the report has it: addresses and values as `0x…` text. */
export function reportFinding({ evidence, roots, victims, ...rest }: Finding): ReportFinding {
  return {
    ...rest,
    roots: roots.map(root => ({ ...root })),
    victims: [...victims],
    evidence: evidence.map(({ text, address, value, bytes }) => ({
      text,
      ...(address !== undefined && { address: formatAddress(address) }),
      ...(value !== undefined && { value: formatAddress(BigInt.asUintN(8 * (bytes ?? 8), value)) }),
      ...(address !== undefined && bytes !== undefined && { bytes }),
    })),
  };
}

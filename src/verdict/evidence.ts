/** What findings are made of: entries that a doubter can read again, and the form of their addresses. */
export { formatAddress } from '../corefile/memory.ts';
export type { Evidence } from '../python/process.ts';

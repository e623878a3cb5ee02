const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Three digits and the unit, as the fleet file writes sizes: `4 GiB`. */
export function bytesText(bytes: number): string {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return `${threeDigits(bytes / 1024 ** power)} ${units[power]}`;
}

/** The largest unit that gives at least one: `14 days`, `1.5 hours`, `3 s`. */
export function durationText(seconds: number): string {
  const size = Math.abs(seconds);
  if (size >= 86_400) return counted(seconds / 86_400, 'day');
  if (size >= 3600) return counted(seconds / 3600, 'hour');
  if (size >= 60) return counted(seconds / 60, 'minute');
  return `${threeDigits(seconds)} s`;
}

/** `2026-08-31`, in UTC. */
export function dateText(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** Up to three of them, and how many there are beside. */
export function listText(texts: readonly string[], separator = '; '): string {
  const shown = texts.slice(0, 3).join(separator);
  return texts.length > 3 ? `${shown}${separator}and ${texts.length - 3} more` : shown;
}

/** What a host said, on one line without control characters, cut to a readable length. */
export function saidText(text: string, length = 160): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll(/\p{C}/gu, '?').trim();
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

function counted(amount: number, unit: string): string {
  const text = threeDigits(amount);
  return `${text} ${unit}${text === '1' ? '' : 's'}`;
}

function threeDigits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** The order of Debian package versions (deb-version(7), "Sorting algorithm"): negative, zero, or positive. */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [split(a), split(b)];
  return (
    first.epoch - second.epoch ||
    comparePart(first.upstream, second.upstream) ||
    comparePart(first.revision, second.revision)
  );
}

function split(version: string): { readonly epoch: number; readonly upstream: string; readonly revision: string } {
  const found = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/s.exec(version.trim());
  return { epoch: Number(found?.[1] ?? 0), upstream: found?.[2] ?? '', revision: found?.[3] ?? '0' };
}

/** By turns what is no digit, and numbers. */
function comparePart(a: string, b: string): number {
  const [first, second] = [pieces(a), pieces(b)];
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    const [left, right] = [first[at] ?? '', second[at] ?? ''];
    const order = at % 2 === 0 ? compareText(left, right) : Number(left || 0) - Number(right || 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** Even ones hold no digits, odd ones only digits. */
function pieces(text: string): readonly string[] {
  return text.split(/(\d+)/);
}

function compareText(a: string, b: string): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const order = weight(a[at]) - weight(b[at]);
    if (order !== 0) return order;
  }
  return 0;
}

/** `~` sorts before the end, letters before all other characters. */
function weight(character: string | undefined): number {
  if (character === undefined) return 0;
  if (character === '~') return -1;
  const code = character.codePointAt(0) ?? 0;
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

/** `co_name` of a `co_qualname`: what all versions have. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** `threading.py:wait`, also for a `Condition.wait` of /usr/lib/python3.12/threading.py: how tables name library functions. */
export function libraryName({ file, function: name }: { readonly file: string; readonly function: string }): string {
  return `${baseName(file).toLowerCase()}:${shortName(name)}`;
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The value without the keys that hold undefined. */
export function defined<T extends object>(value: T): Defined<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries loses the keys' types
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<T>;
}

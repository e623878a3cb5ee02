import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDuration, parseSize } from '../../src/quantity.ts';
import { parseParam } from '../../src/runbook/params.ts';
import type { ParamType } from '../../src/runbook/runbook.ts';

const milliseconds = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const bytes = {
  B: 1,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
} as const;

const keysOf = <Key extends string>(table: Readonly<Record<Key, number>>): fc.Arbitrary<Key> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a literal
  fc.constantFrom(...(Object.keys(table) as Key[]));

test('a duration is the sum of its parts, in seconds, to the millisecond', () => {
  const part = fc.tuple(fc.nat(999), keysOf(milliseconds));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), parts => {
      const sum = parts.reduce((total, [count, unit]) => total + count * milliseconds[unit], 0);
      expect(parseDuration(parts.map(each => each.join('')).join(''))).toBe(sum / 1000);
    }),
  );
});

test('a size is its number times its unit, in bytes; without a unit it is bytes', () => {
  fc.assert(
    fc.property(
      fc.nat(4095),
      fc.option(keysOf(bytes), { nil: undefined }),
      fc.constantFrom('', ' '),
      (count, unit, gap) => {
        expect(parseSize(unit === undefined ? `${count}` : `${count}${gap}${unit}`)).toBe(count * bytes[unit ?? 'B']);
      },
    ),
  );
});

test('any text is a quantity that JSON can hold, or none', () => {
  const near = fc.stringMatching(/^\d{1,400}(\.\d{1,9})?(ms|s|m|h|d|B|[KMGT]i?B|x)?$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), text => {
      for (const value of [parseDuration(text), parseSize(text)])
        expect(value === undefined || (Number.isFinite(value) && value >= 0)).toBe(true);
    }),
  );
});

test.each(['30', '', 's', '-1s', '1.s', '1 s', '1S', '1s ', '1w'])('"%s" is no duration', text => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each(['', 'GiB', '-1', '1.5.5', '1 gib', '1Kib', '1e3', '4 GiB '])('"%s" is no size', text => {
  expect(parseSize(text)).toBeUndefined();
});

const read = (type: ParamType, text: string): unknown => {
  const parsed = parseParam({ name: 'p', type, required: false, help: '' }, text);
  return 'value' in parsed ? parsed.value : parsed.problem;
};

test('what a param is survives being written on the command line', () => {
  const item = fc.stringMatching(/^[^,]+$/);
  fc.assert(
    fc.property(
      fc.maxSafeInteger(),
      fc.integer().map(value => value / 8),
      fc.boolean(),
      fc.array(item, { minLength: 1 }),
      fc.string({ minLength: 1 }),
      (integer, number, boolean, list, text) => {
        expect(read('integer', String(integer))).toBe(integer);
        expect(read('number', String(number))).toBe(number);
        expect(read('boolean', String(boolean))).toBe(boolean);
        expect(read('list', list.join(','))).toEqual(list);
        expect(read('string', text)).toBe(text);
      },
    ),
  );
});

test('a param never takes what is out of its bounds', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), fc.integer(), (value, one, other) => {
      const [min, max] = one < other ? [one, other] : [other, one];
      const parsed = parseParam({ name: 'p', type: 'integer', required: false, help: '', min, max }, String(value));
      expect('value' in parsed).toBe(value >= min && value <= max);
    }),
  );
});

test('the problem with a secret never quotes it', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z0-9]{8,20}$/), text => {
      expect(read('secret', text)).toBe('a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND');
    }),
  );
});

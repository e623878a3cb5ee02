import { assert, constantFrom, double, property, string, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSecretName, maskText } from '../../../src/python/objects/secrets.ts';
import { floatText } from '../../../src/python/objects/values.ts';

const secretNames = [
  'password',
  'DB_PASSWORD',
  'passwd',
  'userPwd',
  'pass',
  'secret',
  'clientSecret',
  'token',
  'csrfmiddlewaretoken',
  'api_key',
  'apiKey',
  'X-Api-Key',
  'aws_secret_access_key',
  'private_key',
  'Authorization',
  'auth',
  'Cookie',
  'Set-Cookie',
  'session',
  'sessionid',
  'credentials',
  'jwt',
  'HTTP_AUTHORIZATION',
  'QUERY_STRING',
  'query_string',
];

test.each(secretNames)('what is called %s is a secret', name => {
  expect(isSecretName(name)).toBe(true);
});

test.each([
  'author',
  'authors',
  'passenger',
  'bypass',
  'key',
  'keys',
  'path',
  'method',
  'user',
  'request',
  'self',
  'pinned',
])('what is called %s is none', name => {
  expect(isSecretName(name)).toBe(false);
});

describe('a text is shown without', () => {
  test.each([
    ['the password of a URL', 'postgres://ann:s3/cr@t@db/shop', 'postgres://ann:***@db/shop'],
    ['a card number', "pay '4111 1111 1111 1111' for 4111111111111112", "pay '***' for 4111111111111112"],
    ['the password of a host', 'ann:s3cret@db.example', 'ann:***@db.example'],
    ['a query string', 'GET /pay?card=4111 HTTP/1.1', 'GET /pay?*** HTTP/1.1'],
    ['the value of a header', 'authorization: Bearer abc.def', 'authorization:***'],
    ['the value of a field', 'user=ann&token=abc&x=1', 'user=ann&token=***'],
    ['the value of a key', '{"user": "ann", "password": "abc"}', '{"user": "ann", "password":***'],
    ['the value of an option', 'mysql -v --password abc', 'mysql -v --password ***'],
    ['a web token', 'got eyJhbGciOiJIUzI1NiJ9.e30.abc back', 'got *** back'],
    ['a private key', 'x\n-----BEGIN PRIVATE KEY-----\nabc', '***'],
  ])('%s', (_, text, shown) => {
    expect(maskText(text, false)).toBe(shown);
  });

  test('a password that goes on where the text is cut', () => {
    expect(maskText('redis://:abcabcabc', true)).toBe('redis://:***@');
    expect(maskText('http://shop.example:8080', false)).toBe('http://shop.example:8080');
  });

  test('whatever stands around it', () => {
    const around = string({ maxLength: 40 }).map(text => text.replaceAll(/[\r\n]/g, ' '));
    const forms = constantFrom('password=%', '"api_key": "%"', 'Cookie: a=%', '--token %', 'amqp://u:%@h/');
    assert(
      property(tuple(around, forms, around), ([before, form, after]) => {
        const text = `${before} ${form.replace('%', 'hunter2hunter2')} ${after}`;
        expect(maskText(text, false)).not.toContain('hunter2');
      }),
      { numRuns: 500, seed: 11 },
    );
  });
});

test('a long text of one kind is searched in no time that a reader would notice', () => {
  // 4096 characters are all that is looked at: a search that went back and forth would take minutes.
  for (const piece of ['a', 'a=', '://a:', '/a?', '--a ', 'basic ', "a'", 'eyJ'])
    expect(maskText(piece.repeat(4096 / piece.length), true).length).toBeGreaterThan(0);
});

describe('a number is written as Python writes it', () => {
  test.each([
    [1, '1.0'],
    [-0, '-0.0'],
    [0.1 + 0.2, '0.30000000000000004'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1.5e-7, '1.5e-07'],
    [Number.NaN, 'nan'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ])('%d', (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  test('and is the same number when it is read again', () => {
    assert(
      property(double({ noNaN: true, noDefaultInfinity: true }), value => {
        expect(Number(floatText(value))).toBe(value);
      }),
      { numRuns: 1000, seed: 3 },
    );
  });
});

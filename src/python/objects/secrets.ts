/** What stands in the place of a secret. */
export const masked = '***';

/**
 * Whether what is called so is not to be shown: passwords, tokens, keys, cookies, sessions, credentials. For names of
 * variables, keys, headers and options alike: `api_key`, `apiKey`, `X-Api-Key`, `--api-key`.
 */
export function isSecretName(name: string): boolean {
  const bare = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return wholeNames.has(bare) || partsOfNames.test(bare) || queryNames.test(bare);
}

const wholeNames: ReadonlySet<string> = new Set(['pass', 'pw', 'auth', 'sid', 'otp', 'pin', 'cvv', 'cvc', 'ssn']);

const partsOfNames =
  /passw|passphrase|passcode|pwd|secret|token|apikey|accesskey|privatekey|signingkey|encryptionkey|masterkey|sharedkey|authoriz|authkey|authheader|basicauth|cookie|session|credential|creds$|jwt|bearer|csrf|xsrf|signature|creditcard|cardnumber/;

/** A query string is shown on another request than locals are (PEP 3333, the ASGI specification). */
const queryNames = /querystring|requesturi$|rawuri$/;

/**
 * A text without the secrets that can be told by their form: passwords of URLs, query strings, `name=value` with a secret
 * name, values of Authorization headers, private keys, card numbers. Masks too much rather than too little.
 * @param cut whether the text goes on where it ends here
 */
export function maskText(text: string, cut: boolean): string {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return masked;
  return (
    text
      // scheme://user:password@host; a password that was not quoted may hold anything but white space.
      .replaceAll(cut ? /(:\/\/[^\s/:@]*:)\S*(?:@|$)/g : /(:\/\/[^\s/:@]*:)\S*@/g, `$1${masked}@`)
      // user:password@host
      .replaceAll(/((?:^|[\s'"])[\w.+-]{1,64}:)[^\s/@]+@(?=[\w[])/g, `$1${masked}@`)
      .replaceAll(/((?:^|[\s'"(])(?:\w+:\/)?\/[^\s?'"]*\?)[^\s'"]+/g, `$1${masked}`)
      .replaceAll(/\b(bearer|basic|digest|negotiate)\s+[^\s'"]{4,}/gi, `$1 ${masked}`)
      .replaceAll(/\beyJ[\w-]{8,}(?:\.[\w-]*)*/g, masked)
      .replaceAll(/\b\d(?:[ -]?\d){12,18}\b/g, number => (isCardNumber(number) ? masked : number))
      .split('\n')
      .map(line => cutAfterName(cutAfterName(line, assigned), option))
      .join('\n')
  );
}

/** Whether the check digit of a payment card fits (ISO/IEC 7812-1, annex B). */
function isCardNumber(text: string): boolean {
  const digits = text.replaceAll(/\D/g, '').split('').map(Number).toReversed();
  const sum = digits.reduce((total, digit, index) => {
    const counted = index % 2 === 0 ? digit : 2 * digit;
    return total + (counted > 9 ? counted - 9 : counted);
  }, 0);
  return sum % 10 === 0;
}

/** JSON, forms, headers, settings. */
const assigned = /([\w.-]{1,64})["'\]]{0,2}\s{0,3}[=:]/g;
/** Command lines. */
const option = /(?<=^|\s)--?([\w-]{1,64})\s(?=\s*\S)/g;

/** The line up to the first secret name of such a form. */
function cutAfterName(line: string, form: RegExp): string {
  for (const found of line.matchAll(form))
    if (isSecretName(found[1] ?? '')) return `${line.slice(0, found.index + found[0].length)}${masked}`;
  return line;
}

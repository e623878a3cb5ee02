import { createHash } from 'node:crypto';
import type { Key, Subkey } from 'openpgp';
import { messageOf } from '../errors.ts';
import type { HostProfile } from '../fleet/host-profile.ts';
import type { HostFacts } from '../host/facts.ts';

/** A key, or a part of one, that may sign data (RFC 9580, 5.2.3.29). */
export interface SigningKey {
  /** Lowercase hex. */
  readonly fingerprint: string;
  /** When it ceases to be valid, or the key that it belongs to; absent: never. */
  readonly expires?: Date;
  /** Neither revoked nor without a valid signature of its owner. */
  readonly isUsable: boolean;
}

export type Keyring =
  | { readonly status: 'read'; readonly keys: readonly SigningKey[] }
  | { readonly status: 'unreadable'; readonly why: string };

/** By the path that they have on the host. */
export type Keyrings = ReadonlyMap<string, Keyring>;

/** The keys of all keyrings that the profile asks for, as the host has them. */
export async function readKeyrings(profile: HostProfile, facts: HostFacts): Promise<Keyrings> {
  const found = new Map<string, string>();
  for (const each of profile.requirements)
    if (each.kind === 'symbol-key' && 'base64' in each.from) found.set(each.path, each.from.base64);
  for (const { keyring } of facts.repositories) if (keyring !== undefined) found.set(keyring.path, keyring.base64);
  const read = [...found].map(
    async ([path, base64]) => [path, await readKeyring(Buffer.from(base64, 'base64'))] as const,
  );
  return new Map(await Promise.all(read));
}

/** A fleet has few keyrings, and each is asked for on every host. */
const known = new Map<string, Promise<Keyring>>();
const knownAtMost = 32;

/** The keys of a keyring, binary or ASCII armoured. */
export function readKeyring(bytes: Uint8Array): Promise<Keyring> {
  const id = createHash('sha256').update(bytes).digest('hex');
  const keyring = known.get(id) ?? parse(bytes);
  if (known.size >= knownAtMost) known.clear();
  known.set(id, keyring);
  return keyring;
}

async function parse(bytes: Uint8Array): Promise<Keyring> {
  try {
    // 40 ms and 30 MB that most commands need not spend.
    const { readKeys } = await import('openpgp');
    const blocks = armouredBlocks(bytes);
    const keys =
      blocks === undefined
        ? await readKeys({ binaryKeys: bytes })
        : (await Promise.all(blocks.map(armoredKeys => readKeys({ armoredKeys })))).flat();
    const signing = (await Promise.all(keys.map(signingKeys))).flat();
    return signing.length > 0
      ? { status: 'read', keys: signing }
      : { status: 'unreadable', why: 'no key in it may sign' };
  } catch (error) {
    return { status: 'unreadable', why: messageOf(error) };
  }
}

function armouredBlocks(bytes: Uint8Array): readonly string[] | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  const blocks = text.match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[^]*?-----END PGP PUBLIC KEY BLOCK-----/g);
  return blocks ?? undefined;
}

async function signingKeys(key: Key): Promise<readonly SigningKey[]> {
  const primary = await endOf(
    () => key.isRevoked(),
    () => key.getExpirationTime(),
  );
  const own = mayPrimarySign(key) ? [asSigning(key.getFingerprint(), [primary])] : [];
  const subkeys = key.subkeys.filter(maySubkeySign).map(async subkey => {
    const end = await endOf(
      () => isSubkeyRevoked(subkey, key),
      () => subkey.getExpirationTime(),
    );
    return asSigning(subkey.getFingerprint(), [primary, end]);
  });
  return [...own, ...(await Promise.all(subkeys))];
}

/** Milliseconds; undefined: revoked, or not signed by its owner in a way that still counts. */
async function endOf(
  isRevoked: () => Promise<boolean>,
  expires: () => ReturnType<Key['getExpirationTime']>,
): Promise<number | undefined> {
  try {
    const end = (await isRevoked()) ? null : await expires();
    return end === null ? undefined : end.valueOf();
  } catch {
    return undefined;
  }
}

async function isSubkeyRevoked(subkey: Subkey, { keyPacket }: Key): Promise<boolean> {
  const [binding] = subkey.bindingSignatures;
  return binding === undefined || (await subkey.isRevoked(binding, keyPacket));
}

function asSigning(fingerprint: string, ends: readonly (number | undefined)[]): SigningKey {
  const valid = ends.filter(end => end !== undefined);
  const end = Math.min(...valid);
  return {
    fingerprint: fingerprint.toLowerCase(),
    isUsable: valid.length === ends.length,
    ...(Number.isFinite(end) && { expires: new Date(end) }),
  };
}

/** Without key flags a primary key may do all that its algorithm can. */
function mayPrimarySign({ users }: Key): boolean {
  const flags = users.flatMap(({ selfCertifications }) => selfCertifications.map(({ keyFlags }) => keyFlags));
  return flags.length === 0 || flags.some(each => each === null || maySign(each));
}

function maySubkeySign({ bindingSignatures }: Subkey): boolean {
  return bindingSignatures.some(({ keyFlags }) => keyFlags !== null && maySign(keyFlags));
}

function maySign(flags: Uint8Array): boolean {
  return ((flags[0] ?? 0) & 0x02) !== 0;
}

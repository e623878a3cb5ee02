import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { ClientSettings } from './client-settings.ts';
import { runTool } from './run-tool.ts';

/** The keys by which a host may prove itself. */
export interface KnownKeys {
  readonly accepted: readonly HostKey[];
  readonly revoked: readonly HostKey[];
  /** The fleet file, or the files that were asked. */
  readonly source: string;
}

export interface HostKey {
  readonly type: string;
  /** As known_hosts has it. */
  readonly base64: string;
}

/** The fleet file's key, else those of known_hosts, hashed names and markers included (`ssh-keygen -F`). */
export async function knownKeys(host: Host, settings: ClientSettings): Promise<KnownKeys> {
  const [type, base64] = host.hostKey?.split(' ') ?? [];
  if (type !== undefined && base64 !== undefined)
    return { accepted: [{ type, base64 }], revoked: [], source: 'the fleet file' };
  const files = settings.knownHostsFiles.filter(file => existsSync(file));
  for (const name of settings.knownAs) {
    const answers = await Promise.all(files.map(file => runTool('ssh-keygen', ['-F', name, '-f', file])));
    const lines = answers.flatMap(answer => answer?.split('\n') ?? []);
    const [accepted, revoked] = [lines.flatMap(line => keyOf(line)), lines.flatMap(line => keyOf(line, '@revoked'))];
    if (accepted.length + revoked.length > 0) return { accepted, revoked, source: files.join(', ') };
  }
  return { accepted: [], revoked: [], source: files.join(', ') || 'known_hosts' };
}

/** `[MARKER] NAMES TYPE BASE64 [COMMENT]`; a certificate authority is none of a host's own keys. */
function keyOf(line: string, marker?: string): readonly HostKey[] {
  const words = line.trim().split(/\s+/);
  if (line.startsWith('#') || line.startsWith('@') !== (marker !== undefined)) return [];
  if (marker !== undefined && words.shift() !== marker) return [];
  const [, type, base64] = words;
  return type === undefined || base64 === undefined ? [] : [{ type, base64 }];
}

/** Signature algorithms to ask the host for, so that it shows a key that is known; undefined: any. */
export function hostKeyAlgorithms({ accepted }: KnownKeys): readonly string[] | undefined {
  if (accepted.length === 0) return undefined;
  return [...new Set(accepted.flatMap(({ type }) => (type === 'ssh-rsa' ? rsa : [type])))].filter(each =>
    supported.includes(each),
  );
}

const rsa = ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'];
const supported = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  ...rsa,
] as readonly string[];

/** Whether the key that a host shows is one of its own; the error that refuses it, else. */
export function refuse(shown: Buffer, known: KnownKeys, host: Host, settings: ClientSettings): HangarError | undefined {
  const base64 = shown.toString('base64');
  if (known.revoked.some(key => key.base64 === base64)) return mismatch(shown, known, host, 'is marked @revoked');
  if (known.accepted.some(key => key.base64 === base64)) return undefined;
  if (known.accepted.length === 0) return unknownKey(shown, host, settings);
  const expected = known.accepted.map(key => fingerprint(Buffer.from(key.base64, 'base64'))).join(' or ');
  return mismatch(shown, known, host, `is not the one expected, ${expected}`);
}

function mismatch(shown: Buffer, { source }: KnownKeys, { name }: Host, why: string): HangarError {
  return new HangarError({
    code: 'HOST_KEY_MISMATCH',
    message: `"${name}" shows the host key ${fingerprint(shown)}, which ${why} (${source})`,
    fix: 'find out why before you connect: another machine may answer in its place; if the key was changed on purpose, put the new one there',
    failure: 'unreachable',
  });
}

function unknownKey(
  shown: Buffer,
  { name }: Host,
  { address, port, knownAs, knownHostsFiles }: ClientSettings,
): HangarError {
  const file = knownHostsFiles[0] ?? '~/.ssh/known_hosts';
  return new HangarError({
    code: 'HOST_KEY_UNKNOWN',
    message: `the host key of "${name}" is not known: ${knownAs[0] ?? address} shows ${fingerprint(shown)}`,
    fix: `compare that with the host's own (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: ssh-keyscan -p ${port} ${address} >> ${file}`,
    failure: 'unreachable',
  });
}

/** `ssh-ed25519 SHA256:…`, as ssh-keygen -l prints it. */
function fingerprint(key: Buffer): string {
  const type = key.toString('latin1', 4, 4 + key.readUInt32BE(0));
  return `${type} SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

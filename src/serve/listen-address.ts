import { isIPv4 } from 'node:net';
import { HangarError } from '../errors.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
}

/** `127.0.0.1:7465`, `[::1]:7465`, `localhost:0`. @throws HangarError `NOT_LOOPBACK`, `USAGE` */
export function parseListenAddress(text: string): ListenAddress {
  const found = /^(\[[^\]]*\]|[^:[\]]*):(\d{1,5})$/.exec(text);
  const [, name = '', digits = ''] = found ?? [];
  const port = Number(digits);
  if (found === null || port > 65_535) throw usage(`--listen: expected ADDRESS:PORT, found "${text}"`);
  if (!isLoopbackName(name))
    throw new HangarError({
      code: 'NOT_LOOPBACK',
      message: `--listen: "${name}" is not an address of this machine alone: reports quote sources and requests`,
      fix: 'use --listen 127.0.0.1:PORT; from elsewhere: ssh -L PORT:127.0.0.1:PORT this-machine, or a proxy that asks who reads',
      failure: 'usage',
    });
  return { host: name === 'localhost' ? '127.0.0.1' : name.replaceAll(/[[\]]/g, ''), port };
}

/**
 * Whether a Host header (RFC 9110, 7.2) names this machine. A page of another site whose name was made to lead here
 * (DNS rebinding) has that name in it.
 */
export function isLoopbackHost(header: string | undefined): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(header ?? '') ?? [];
  return isLoopbackName(name.toLowerCase());
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'));
}

function usage(message: string): HangarError {
  return new HangarError({ code: 'USAGE', message, fix: 'use --listen 127.0.0.1:7465', failure: 'usage' });
}

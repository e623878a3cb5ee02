import type { Descriptor } from './evidence.ts';

type Socket = NonNullable<Descriptor['socket']>;

/** Sockets by inode, from lines `net TABLE LINE` with the lines of /proc/PID/net/TABLE (proc(5)). */
export function readSockets(lines: readonly string[]): ReadonlyMap<number, Socket> {
  const sockets = new Map<number, Socket>();
  for (const line of lines) {
    const [, table, ...fields] = line.split(/\s+/);
    const found = table === 'unix' ? readUnix(fields) : readInet(table, fields);
    if (found !== undefined) sockets.set(found.inode, found.socket);
  }
  return sockets;
}

/** include/net/tcp_states.h */
const tcpStates: readonly string[] = [
  '',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'LAST_ACK',
  'CLOSE_WAIT',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
];

/** `SL LOCAL REMOTE STATE TX:RX TIMER RETRANSMITS UID TIMEOUT INODE …`, numbers in hex. */
function readInet(table: string | undefined, fields: readonly string[]): { inode: number; socket: Socket } | undefined {
  const [, local = '', peer = '', state = '', queues = '', , , , , inode] = fields;
  if (table !== 'tcp' && table !== 'tcp6' && table !== 'udp' && table !== 'udp6') return undefined;
  const [send, receive] = queues.split(':').map(hex => Number.parseInt(hex, 16));
  const [localEnd, peerEnd] = [endpoint(local), endpoint(peer)];
  const stateName = table.startsWith('tcp') ? tcpStates[Number.parseInt(state, 16)] : undefined;
  return {
    inode: Number(inode),
    socket: {
      protocol: table,
      ...(localEnd !== undefined && { local: localEnd }),
      ...(peerEnd !== undefined && !peerEnd.endsWith(':0') && { peer: peerEnd }),
      ...(stateName !== undefined && { state: stateName }),
      ...(receive !== undefined && !Number.isNaN(receive) && { receiveQueue: receive }),
      ...(send !== undefined && !Number.isNaN(send) && { sendQueue: send }),
    },
  };
}

/** `NUM: REFS PROTOCOL FLAGS TYPE STATE INODE PATH`; flag 0x10000 is a listener, state 3 connected (net/unix). */
function readUnix(fields: readonly string[]): { inode: number; socket: Socket } | undefined {
  const [, , , flags = '', , state, inode, ...path] = fields;
  if (inode === undefined) return undefined;
  const listens = (Number.parseInt(flags, 16) & 0x10000) !== 0;
  const name = listens ? 'LISTEN' : state === '03' ? 'ESTABLISHED' : undefined;
  const local = path.join(' ');
  return {
    inode: Number(inode),
    socket: { protocol: 'unix', ...(local !== '' && { local }), ...(name !== undefined && { state: name }) },
  };
}

/** `0100007F:1F90` → `127.0.0.1:8080`: 32-bit words as a little-endian machine prints them. */
function endpoint(text: string): string | undefined {
  const found = /^((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})$/i.exec(text);
  if (found?.[1] === undefined || found[2] === undefined) return undefined;
  const port = Number.parseInt(found[2], 16);
  const bytes = (found[1].match(/.{8}/g) ?? []).flatMap(word => [...Buffer.from(word, 'hex')].toReversed());
  return bytes.length === 4 ? `${bytes.join('.')}:${port}` : `[${address6(bytes)}]:${port}`;
}

/** RFC 5952: groups without leading zeros, the longest run of zero groups as `::`. */
function address6(bytes: readonly number[]): string {
  if (bytes.slice(0, 10).every(byte => byte === 0) && bytes[10] === 255 && bytes[11] === 255)
    return `::ffff:${bytes.slice(12).join('.')}`;
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  const plain = groups.join(':');
  const runs = [...`:${plain}:`.matchAll(/(?::0)+(?=:)/g)].map(run => run[0]).filter(run => run.length > 2);
  const longest = runs.reduce((most, run) => (run.length > most.length ? run : most), '');
  if (longest === '') return plain;
  const [before, after] = splitOnce(`:${plain}:`, `${longest}:`);
  return `${before.slice(1)}::${after.slice(0, -1)}`;
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

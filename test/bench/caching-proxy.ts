import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CachingProxy {
  readonly url: string;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** Larger ones are asked for anew: it is what hosts ask for again and again that must not depend on the network. */
const keptBytes = 1024 * 1024;

/** An HTTP proxy for apt that fetches what is small once: a hundred hosts do not measure how quick the mirror is today. */
export async function startCachingProxy(address: string): Promise<CachingProxy> {
  const kept = new Map<string, Promise<Answer>>();
  const answerTo = async (url: string): Promise<Answer> => {
    const answer = kept.get(url) ?? fetched(url);
    kept.set(url, answer);
    const isKept = await answer.then(
      ({ body }) => body.length <= keptBytes,
      () => false,
    );
    if (!isKept) kept.delete(url);
    return answer;
  };
  const server = createServer((request, response) => void reply(answerTo(request.url ?? ''), response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens at an address with a port
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${address}:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

async function reply(answer: Promise<Answer>, response: ServerResponse): Promise<void> {
  const { status, body } = await answer.catch(() => ({ status: 502, body: Buffer.alloc(0) }));
  response.writeHead(status, { 'Content-Length': body.length }).end(body);
}

async function fetched(url: string): Promise<Answer> {
  const response = await fetch(url);
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
}

import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { TestHost } from './test-host.ts';

export interface PackageMirror {
  /** How many files were asked for since the last call. */
  asked(): number;
  close(): Promise<void>;
}

/** Lets apt on a test host, which has no way out, reach what its sources name: through a proxy on this end of its cable. */
export async function connectMirror(host: Pick<TestHost, 'address' | 'root'>): Promise<PackageMirror> {
  let count = 0;
  const server = createServer((question, answer) => {
    count++;
    forward(question, answer);
  });
  const address = host.address.replace(/\.3$/, '.1');
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' ? bound?.port : undefined;
  const settings = join(host.root, 'etc/apt/apt.conf.d/90test-proxy');
  // What else listens on this end is asked itself.
  const lines = [`Acquire::http::Proxy "http://${address}:${port}";`, `Acquire::http::Proxy::${address} "DIRECT";`, ''];
  await writeFile(settings, lines.join('\n'));
  return {
    asked: () => count - (count = 0),
    async close() {
      await rm(settings, { force: true });
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function forward(question: IncomingMessage, answer: ServerResponse): void {
  const onwards = request(question.url ?? '', { method: question.method, headers: question.headers }, found => {
    answer.writeHead(found.statusCode ?? 502, found.headers);
    found.pipe(answer);
  });
  onwards.on('error', () => answer.writeHead(502).end());
  answer.on('close', () => onwards.destroy());
  question.pipe(onwards);
}

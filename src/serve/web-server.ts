import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { HangarError, messageOf } from '../errors.ts';
import { type Answer, answer, type Shown } from './answer.ts';
import type { ListenAddress } from './listen-address.ts';

export interface WebServerOptions {
  readonly listen: ListenAddress;
  readonly token: string;
  readonly shown: Shown;
  readonly tell: (text: string) => void;
}

export interface WebServer {
  /** Without a slash at its end. */
  readonly url: string;
  close(): void;
}

/** @throws HangarError `LISTEN_FAILED` */
export async function startWebServer({ listen, token, shown, tell }: WebServerOptions): Promise<WebServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, (request, response) => {
    respond(request, response, { shown, token }).catch((error: unknown) => {
      tell(`a page could not be shown: ${messageOf(error)}`);
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, type: 'text/plain; charset=utf-8', body: 'it could not be read\n' }, 'GET');
    });
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => reject(listenFailed(listen, cause)));
    server.listen(listen.port, listen.host, resolve);
  });
  server.on('error', error => tell(messageOf(error)));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : listen.port;
  return {
    url: `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function respond(
  { method = '', url = '/', headers }: IncomingMessage,
  response: ServerResponse,
  { shown, token }: Pick<WebServerOptions, 'shown' | 'token'>,
): Promise<void> {
  const { host, authorization, accept } = headers;
  send(response, await answer({ method, url, host, authorization, accept }, shown, token), method);
}

/** Nothing of it is kept by a browser, nor told to the servers that it links to. */
function send(response: ServerResponse, { status, type, body, headers }: Answer, method: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    ...headers,
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function listenFailed({ host, port }: ListenAddress, cause: unknown): HangarError {
  return new HangarError({
    code: 'LISTEN_FAILED',
    message: `cannot listen on ${host}:${port}`,
    fix: 'use another port: --listen 127.0.0.1:0 takes one that is free, and prints it',
    failure: 'usage',
    cause,
  });
}

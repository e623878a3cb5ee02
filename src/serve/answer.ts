import { isToken } from './access-token.ts';
import { type IndexPage, renderIndex } from './index-page.ts';
import { isLoopbackHost } from './listen-address.ts';
import { renderMetrics, type ServeStatus } from './metrics.ts';

export interface Request {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  readonly accept: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the pages show. */
export interface Shown {
  readonly status: () => ServeStatus;
  /** Undefined where there is none of that id. */
  readonly run: (id: string, form: 'html' | 'json') => Promise<string | undefined>;
  /** Of the last compliance run; undefined where there is none. */
  readonly compliance: (form: 'html' | 'json' | 'prometheus') => Promise<string | undefined>;
}

/** Answers one request: health and metrics to everybody on this machine, the rest to who has the token. */
export async function answer(request: Request, shown: Shown, token: string): Promise<Answer> {
  if (!isLoopbackHost(request.host)) return plain(403, `this server is not "${request.host ?? ''}"`);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { ...plain(405, 'this server only shows'), headers: { Allow: 'GET, HEAD' } };
  const url = urlOf(request.url);
  if (url === undefined) return plain(400, 'that is no path');
  if (url.pathname === '/healthz') return plain(200, 'ok');
  if (url.pathname === '/metrics') return metrics(shown);
  if (!isToken(tokenOf(request, url), token))
    return {
      ...plain(401, 'open the address that `runbook serve` printed, or send its token: Authorization: Bearer TOKEN'),
      headers: { 'WWW-Authenticate': 'Bearer realm="hangar"' },
    };
  return page(url.pathname, request, shown, token);
}

async function page(path: string, { accept }: Request, shown: Shown, token: string): Promise<Answer> {
  if (path === '/') return html(renderIndex(await indexPage(shown, token)));
  const form = path.endsWith('.json') || wantsJson(accept) ? 'json' : 'html';
  const [, run] = /^\/runs\/([\w.-]+?)(?:\.json)?$/.exec(path) ?? [];
  if (run !== undefined) return document(await shown.run(run, form), form, `there is no run "${run}"`);
  if (path === '/compliance' || path === '/compliance.json')
    return document(await shown.compliance(form), form, 'no compliance was kept yet: runbook compliance --host all');
  return plain(404, 'there are /, /runs/ID, /compliance, /metrics and /healthz');
}

async function indexPage(shown: Shown, token: string): Promise<IndexPage> {
  const hasCompliance = (await shown.compliance('json').catch(() => undefined)) !== undefined;
  // In each link and not in a cookie: that would go to every server of this machine, whoever runs it.
  return { ...shown.status(), hasCompliance, link: path => `${path}?token=${token}` };
}

/** Metrics of compliance that cannot be read do not take the others with them. */
async function metrics(shown: Shown): Promise<Answer> {
  const compliance = await shown.compliance('prometheus').catch(() => undefined);
  const type = 'text/plain; version=0.0.4; charset=utf-8';
  return { status: 200, type, body: `${renderMetrics(shown.status())}${compliance ?? ''}` };
}

function urlOf(text: string): URL | undefined {
  return URL.parse(text, 'http://localhost') ?? undefined;
}

function tokenOf({ authorization = '' }: Request, url: URL): string | undefined {
  const [, bearer] = /^bearer +(\S+)$/i.exec(authorization) ?? [];
  return bearer ?? url.searchParams.get('token') ?? undefined;
}

/** A browser asks for HTML first, a program for JSON or for nothing in particular. */
function wantsJson(accept: string | undefined): boolean {
  return accept !== undefined && accept.includes('application/json') && !accept.includes('text/html');
}

function document(body: string | undefined, form: 'html' | 'json', missing: string): Answer {
  if (body === undefined) return plain(404, missing);
  return form === 'html' ? html(body) : { status: 200, type: 'application/json; charset=utf-8', body };
}

function html(body: string): Answer {
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body,
    headers: { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:" },
  };
}

function plain(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

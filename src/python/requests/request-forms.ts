/** Where a class of a web framework or server keeps its request. */
export type RequestForm = {
  /** Function that waits for the next request of a connection while such an object is still of the one before. */
  readonly staleIn?: string;
} /** In a WSGI environment or an ASGI scope. */ & (
  | { readonly by: 'dict'; readonly attribute: string }
  /** In another object of this table. */
  | { readonly by: 'request'; readonly attribute: string }
  /** As method and target, the path with its query string. */
  | { readonly by: 'target'; readonly method: string; readonly target: string }
  /** As method, path and query, the latter two in an object `within` where that is named. */
  | {
      readonly by: 'parts';
      readonly method: string;
      readonly within?: string;
      readonly path: string;
      readonly query: string;
      /** Attribute of older releases that has both, in a tuple as `urlsplit` gives it. */
      readonly split?: string;
    }
);

/** Of http.server and what is derived from it, Django's development server and many own ones among them. */
const handler: RequestForm = { by: 'target', method: 'command', target: 'path', staleIn: 'handle_one_request' };

/** By qualified name of a class; those derived from it are alike. Only requests that are served: clients have some too. */
export const requestForms: ReadonlyMap<string, RequestForm> = new Map<string, RequestForm>([
  // django/core/handlers/wsgi.py, 1.11 to 5.2
  ['django.core.handlers.wsgi.WSGIRequest', { by: 'dict', attribute: 'environ' }],
  // django/core/handlers/asgi.py, 3.0 to 5.2
  ['django.core.handlers.asgi.ASGIRequest', { by: 'dict', attribute: 'scope' }],
  // rest_framework/request.py, 3.x
  ['rest_framework.request.Request', { by: 'request', attribute: '_request' }],
  // werkzeug/wrappers/base_request.py, 0.x and 1.x; werkzeug/wrappers/request.py, 2.x and 3.x; Flask's is derived
  ['werkzeug.wrappers.base_request.BaseRequest', { by: 'dict', attribute: 'environ' }],
  ['werkzeug.wrappers.BaseRequest', { by: 'dict', attribute: 'environ' }],
  ['werkzeug.wrappers.request.Request', { by: 'dict', attribute: 'environ' }],
  // webob/request.py, 1.x; Pyramid's is derived
  ['webob.request.BaseRequest', { by: 'dict', attribute: 'environ' }],
  // bottle.py, 0.12 and 0.13
  ['bottle.BaseRequest', { by: 'dict', attribute: 'environ' }],
  // falcon/request.py, 1.x to 4.x: in __slots__
  ['falcon.request.Request', { by: 'dict', attribute: 'env' }],
  // starlette/requests.py, 0.x; FastAPI's are these
  ['starlette.requests.HTTPConnection', { by: 'dict', attribute: 'scope' }],
  // uvicorn/protocols/http/{h11,httptools}_impl.py, 0.x
  ['uvicorn.protocols.http.h11_impl.RequestResponseCycle', { by: 'dict', attribute: 'scope' }],
  ['uvicorn.protocols.http.httptools_impl.RequestResponseCycle', { by: 'dict', attribute: 'scope' }],
  // aiohttp/web_request.py, 3.x; yarl/_url.py from 1.18 on, where older ones keep a tuple in `_val`.
  [
    'aiohttp.web_request.BaseRequest',
    {
      by: 'parts',
      method: '_method',
      within: '_rel_url',
      path: '_path',
      query: '_query',
      split: '_val',
      staleIn: 'start',
    },
  ],
  // tornado/httputil.py and tornado/web.py, 4.x to 6.x
  ['tornado.httputil.HTTPServerRequest', { by: 'parts', method: 'method', path: 'path', query: 'query' }],
  ['tornado.web.RequestHandler', { by: 'request', attribute: 'request' }],
  // gunicorn/http/message.py, 19.x to 23.x
  ['gunicorn.http.message.Request', { by: 'parts', method: 'method', path: 'path', query: 'query' }],
  // Lib/http/server.py
  ['http.server.BaseHTTPRequestHandler', handler],
  // Classic classes (2.7), which those of BaseHTTPServer are: objects of all of them have one type.
  ['instance', handler],
]);

"""Serves one request at a time on port 8000; `/reserve` waits in libshopstock for a delivery that never comes."""

import ctypes
from wsgiref.simple_server import WSGIRequestHandler, make_server

stock = ctypes.CDLL('libshopstock.so.1')


class QuietHandler(WSGIRequestHandler):
    def address_string(self):
        return self.client_address[0]

    def log_message(self, format, *args):
        pass


def application(environ, start_response):
    if environ['PATH_INFO'] == '/reserve':
        stock.stock_reserve(1)  # at: reserve
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'ok\n']


make_server('0.0.0.0', 8000, application, handler_class=QuietHandler).serve_forever()

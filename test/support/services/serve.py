"""Serves shop.py with a fixed number of threads: serve.py PORT THREADS."""

import sys
from concurrent.futures import ThreadPoolExecutor
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from shop import application


class PoolServer(WSGIServer):
    request_queue_size = 64

    def process_request(self, request, client_address):
        self.pool.submit(self.answer, request, client_address)

    def answer(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass
        finally:
            self.shutdown_request(request)


class QuietHandler(WSGIRequestHandler):
    def address_string(self):
        return self.client_address[0]

    def log_message(self, format, *args):
        pass


def main(port, threads):
    server = make_server('0.0.0.0', port, application, PoolServer, QuietHandler)
    server.pool = ThreadPoolExecutor(threads, thread_name_prefix='shop')
    server.serve_forever()


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))

"""A small web service that answers, under light load from its own clients, with a shared lock. NEVER: any"""
import threading
import time

from common import park, start

try:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from socketserver import ThreadingMixIn
    from urllib.request import urlopen
except ImportError:
    from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
    from SocketServer import ThreadingMixIn
    from urllib2 import urlopen

cache = threading.Lock()


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        with cache:
            body = b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


def serve(server):
    server.serve_forever()  # IDLE: working


def visit(url):
    while True:
        urlopen(url, timeout=10).read()
        time.sleep(0.05)


server = Server(("127.0.0.1", 0), Page)
start(serve, server)
start(visit, "http://127.0.0.1:%d/" % server.server_address[1])
park()

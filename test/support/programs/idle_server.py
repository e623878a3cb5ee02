"""Servers wait for somebody to connect: select in a loop, and a bare accept. NEVER: any"""
import socket

from common import park, start

try:
    import socketserver
except ImportError:
    import SocketServer as socketserver


def serve(server):
    server.serve_forever()  # IDLE


def accept(listener):
    while True:
        connection, _ = listener.accept()  # IDLE
        connection.close()


bare = socket.socket()
bare.bind(("127.0.0.1", 0))
bare.listen(5)
start(serve, socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler))
start(accept, bare)
park()

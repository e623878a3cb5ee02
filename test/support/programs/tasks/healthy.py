"""A web service under light load: its handlers take turns at a connection to a database that answers at once. Another
process asks it fifty times a second, over connections that it keeps."""
import asyncio
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


def ask_for_ever(port):
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    for number in range(1000000):
        connection = connections[number % 3]
        connection.sendall(b"GET /orders\n")
        if not connection.recv(100):
            return
        time.sleep(0.02)


def answer_for_ever():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    while connection.recv(100):
        time.sleep(0.005)
        connection.sendall(b"row\n")


class Service:
    async def handle(self, scope):
        async with self.lock:
            reader, writer = self.connection
            writer.write(b"select\n")
            return await reader.readline()

    async def serve(self, reader, writer):
        while True:
            line = await reader.readline()
            if not line:
                return
            method, path = line.decode().split()
            scope = {"type": "http", "method": method, "path": path, "headers": []}
            writer.write(await asyncio.ensure_future(self.handle(scope)))

    async def main(self):
        database = child("answer_for_ever", stdout=subprocess.PIPE)
        port = int(database.stdout.readline())
        self.lock, self.connection = asyncio.Lock(), await asyncio.open_connection("127.0.0.1", port)
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        child("ask_for_ever", str(server.sockets[0].getsockname()[1]))
        await asyncio.sleep(0.5)
        truth.Named().report()
        await asyncio.Event().wait()


def child(*args, **options):
    """Ends with this process: what it reads or writes is closed then."""
    return subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__)] + list(args), **options)


try:
    if sys.argv[1:] == ["answer_for_ever"]:
        answer_for_ever()
    elif sys.argv[1:2] == ["ask_for_ever"]:
        ask_for_ever(int(sys.argv[2]))
    else:
        asyncio.run(Service().main())
except OSError:
    # The other end is gone: so is the test.
    pass

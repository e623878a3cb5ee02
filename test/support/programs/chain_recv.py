"""Three threads wait for a lock whose owner reads from a silent peer."""
import threading

from common import loopback_pair, park, start

connection = threading.RLock()
has_connection = threading.Event()


def query(client):
    with connection:  # HOLDS: python-rlock
        has_connection.set()
        client.recv(4096)  # HANG: blocking-io


def render():
    has_connection.wait()
    with connection:  # VICTIM: python-rlock of query x3
        pass


client, peer = loopback_pair()
start(query, client)
for _ in range(3):
    start(render)
park()

"""Every worker of a pool waits for a lock; who holds it reads from a silent peer. ALSO: pool-exhausted proven"""
import threading

from common import await_members, join_in, loopback_pair, park, start

try:
    from concurrent.futures import ThreadPoolExecutor

    submit = ThreadPoolExecutor(max_workers=3).submit
except ImportError:
    from multiprocessing.pool import ThreadPool

    pool = ThreadPool(3)

    def submit(function, *args):
        pool.apply_async(function, args)


connection = threading.Lock()
has_connection = threading.Event()


def query(client):
    with connection:  # HOLDS: python-lock
        has_connection.set()
        client.recv(4096)  # HANG: blocking-io


def render():
    join_in(render)
    with connection:  # VICTIM: python-lock x3
        pass


client, peer = loopback_pair()
start(query, client)
has_connection.wait()
for _ in range(5):
    submit(render)
await_members(4)
park()

"""Every worker of a pool is at work, and more work waits; but they get on with it. NEVER: any"""
from common import await_members, join_in, loopback_pair, park, start, trickle

try:
    from concurrent.futures import ThreadPoolExecutor

    submit = ThreadPoolExecutor(max_workers=3).submit
except ImportError:
    from multiprocessing.pool import ThreadPool

    pool = ThreadPool(3)

    def submit(function, *args):
        pool.apply_async(function, args)


def receive(connection):
    join_in(receive)
    while connection.recv(1):
        pass


pairs = [loopback_pair() for _ in range(5)]
for client, peer in pairs:
    submit(receive, client)
await_members(3)
start(trickle, *[peer for client, peer in pairs])
park()

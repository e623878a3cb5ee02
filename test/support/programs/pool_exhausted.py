"""Every worker of a pool reads from a peer that says nothing, and more work waits. ALSO: pool-exhausted proven"""
from common import await_members, join_in, loopback_pair, park

try:
    from concurrent.futures import ThreadPoolExecutor

    submit = ThreadPoolExecutor(max_workers=3).submit
except ImportError:
    from multiprocessing.pool import ThreadPool

    pool = ThreadPool(3)

    def submit(function, *args):
        pool.apply_async(function, args)


def fetch_price(connection):
    join_in(fetch_price)
    return connection.recv(4096)  # HANG: blocking-io x3


pairs = [loopback_pair() for _ in range(5)]
for client, peer in pairs:
    submit(fetch_price, client)
await_members(3)
park()

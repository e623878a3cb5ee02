"""All workers of a pool but one read from silent peers: it still works. NEVER: pool-exhausted"""
from common import await_members, join_in, loopback_pair, park

try:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max_workers=3)
    submit = pool.submit
except ImportError:
    from multiprocessing.pool import ThreadPool

    pool = ThreadPool(3)

    def submit(function, *args):
        pool.apply_async(function, args)


def fetch_price(connection):
    join_in(fetch_price)
    return connection.recv(4096)  # HANG: blocking-io x2


pairs = [loopback_pair() for _ in range(2)]
for client, peer in pairs:
    submit(fetch_price, client)
await_members(2)
assert list(pool.map(abs, [-1, -2])) == [1, 2]
park()

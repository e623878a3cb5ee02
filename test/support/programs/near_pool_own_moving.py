"""All workers of a pool but one wait for results of their own pool, which the last one works out one after the other.
NEVER: any. SINCE: 3.6"""
import threading
from concurrent import futures

from common import await_members, join_in, loopback_pair, park, start, trickle

pool = futures.ThreadPoolExecutor(max_workers=3)
are_all_busy = threading.Barrier(3)


def receive(connection):
    while connection.recv(1):
        pass


def work_off(connection):
    join_in(work_off)
    are_all_busy.wait()
    receive(connection)


def show_own(item):
    join_in(show_own)
    are_all_busy.wait()
    return pool.submit(abs, item).result()  # VICTIM: condition x2


client, peer = loopback_pair()
pool.submit(work_off, client)
pool.submit(show_own, -1)
pool.submit(show_own, -2)
await_members(3)
start(trickle, peer)
park()

"""All workers of a pool of threads but one wait for jobs of their own pool, which the last one gets done in time. NEVER: any"""
import threading
import time
from multiprocessing.pool import ThreadPool

from common import await_members, join_in, loopback_pair, park, start, trickle

pool = ThreadPool(3)
are_busy = [threading.Event() for _ in range(3)]


def receive(connection):
    while connection.recv(1):
        pass


def meet(own):
    are_busy[own].set()
    for event in are_busy:
        event.wait()


def work_off(connection):
    join_in(work_off)
    meet(0)
    receive(connection)


def show_own(own):
    join_in(show_own)
    meet(own)
    return pool.apply(abs, [own])  # IDLE x2


client, peer = loopback_pair()
pool.apply_async(work_off, [client])
pool.apply_async(show_own, [1])
pool.apply_async(show_own, [2])
await_members(3)
start(trickle, peer)
park()

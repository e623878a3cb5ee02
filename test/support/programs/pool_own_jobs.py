"""Every worker of a pool of threads waits for jobs that only a worker of the same pool could do. ALSO: pool-exhausted proven"""
import threading
from multiprocessing.pool import ThreadPool

from common import await_members, join_in, park, start

pool = ThreadPool(2)
are_busy = [threading.Event(), threading.Event()]


def look_up(item):
    return item


def price_one(item):
    join_in(price_one)
    are_busy[0].set()
    are_busy[1].wait()
    return pool.apply(look_up, [item])  # HANG: pool-exhausted


def price_each(items):
    join_in(price_each)
    are_busy[1].set()
    are_busy[0].wait()
    return pool.map(look_up, items)  # HANG: pool-exhausted


def show_price(price):
    return price.get()


price = pool.apply_async(price_one, [1])
pool.apply_async(price_each, [[1, 2]])
await_members(2)
start(show_price, price)
park()

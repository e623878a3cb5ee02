"""Every worker of a pool waits for results that only a worker of the same pool could bring; so does the one worker of
another pool. SINCE: 3.6. ALSO: pool-exhausted proven"""
import threading
from concurrent import futures

from common import await_members, join_in, park, start

pool = futures.ThreadPoolExecutor(max_workers=3)
single = futures.ThreadPoolExecutor(max_workers=1)
are_all_busy = threading.Barrier(3)


def look_up(item):
    return item


def price_one(item):
    join_in(price_one)
    are_all_busy.wait()
    return pool.submit(look_up, item).result()  # HANG: pool-exhausted


def price_each(items):
    join_in(price_each)
    are_all_busy.wait()
    return list(pool.map(look_up, items))  # HANG: pool-exhausted


def price_some(items):
    join_in(price_some)
    are_all_busy.wait()
    return futures.wait([pool.submit(look_up, item) for item in items])  # HANG: pool-exhausted


def report(item):
    join_in(report)
    return single.submit(look_up, item).result()  # HANG: pool-exhausted


def show_price(price):
    return price.result()  # VICTIM: condition of price_one


def show_later(price):
    return price.result()  # VICTIM: condition


prices = [pool.submit(price_one, 1), pool.submit(price_each, [1, 2]), pool.submit(price_some, [1, 2])]
single.submit(report, 1)
await_members(4)
start(show_price, prices[0])
start(show_later, pool.submit(look_up, 3))
park()

"""Every worker of a pool waits for results of another pool, which gets on with its work. NEVER: any. SINCE: 3.6"""
from concurrent import futures

from common import await_members, join_in, loopback_pair, park, start, trickle

shop = futures.ThreadPoolExecutor(max_workers=2)
prices = futures.ThreadPoolExecutor(max_workers=1)


def fetch_price(connection):
    join_in(fetch_price)
    while connection.recv(1):
        pass


def show_first(price):
    join_in(show_first)
    return price.result()  # VICTIM: condition of fetch_price


def show_second(price):
    join_in(show_second)
    return price.result()  # VICTIM: condition


client, peer = loopback_pair()
price = prices.submit(fetch_price, client)
await_members(1)
shop.submit(show_first, price)
shop.submit(show_second, prices.submit(abs, -1))
await_members(3)
for item in range(3):
    shop.submit(abs, item)
start(trickle, peer)
park()

"""Threads wait for results that a pool works out: its one worker reads from a silent peer. SINCE: 3.6"""
from concurrent import futures

from common import await_members, join_in, loopback_pair, park, start

pool = futures.ThreadPoolExecutor(max_workers=1)


def fetch_price(connection):
    join_in(fetch_price)
    return connection.recv(4096)  # HANG: blocking-io


def show_price(price):
    return price.result()  # VICTIM: condition of fetch_price


def show_all(prices):
    return futures.wait(prices)  # VICTIM: event of fetch_price


client, peer = loopback_pair()
price = pool.submit(fetch_price, client)
await_members(1)
start(show_price, price)
start(show_all, [price, pool.submit(fetch_price, client)])
park()

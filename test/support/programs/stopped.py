"""Stopped by a signal as a whole: its loop is not busy, its peer is not what it waits for. STOPPED"""
import signal

from common import loopback_pair, ready, start


def count_orders():
    orders = 0
    while True:
        orders += 1


def fetch_price(connection):
    return connection.recv(4096)


client, peer = loopback_pair()
start(count_orders)
start(fetch_price, client)
ready()
while True:
    signal.pause()  # HANG: stopped

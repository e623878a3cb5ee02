"""Requests wait for a permit of a semaphore, all of which are held by threads that read from silent peers."""
import threading

from common import loopback_pair, park, start

connections = threading.BoundedSemaphore(2)
have_permits = [threading.Event(), threading.Event()]


def fetch_price(connection, has_permit):
    with connections:  # HOLDS: semaphore
        has_permit.set()
        connection.recv(4096)  # HANG: blocking-io x2


def show_orders(environ):
    for has_permit in have_permits:
        has_permit.wait()
    with connections:  # VICTIM: semaphore of fetch_price
        return [environ["PATH_INFO"]]


pairs = [loopback_pair() for _ in range(2)]
for (client, peer), has_permit in zip(pairs, have_permits):
    start(fetch_price, client, has_permit)
start(show_orders, {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders"})
park()

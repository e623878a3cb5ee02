"""Two threads that hold each other's lock, and stacks of all shapes beside them."""
import functools
import socket
import threading
import time

from standing import register, start, tell

try:
    import queue
except ImportError:
    import Queue as queue

stock = threading.Lock()
cart = threading.Lock()
has_stock = threading.Event()
has_cart = threading.Event()
orders = queue.Queue()


def reserve():
    with stock:
        has_stock.set()
        has_cart.wait()
        with cart:
            pass


def checkout():
    with cart:
        has_cart.set()
        has_stock.wait()
        with stock:
            pass


def fetch(connection):
    return connection.recv(4096)


class Worker(object):
    def take(self):
        return orders.get()

    @classmethod
    def of(cls, kind):
        return cls().take()


def stays(function):
    @functools.wraps(function)
    def outer(*args):
        return function(*args)

    return outer


@stays
def descend(depth):
    if depth == 0:
        # A generator, a comprehension, a callback from C, code without a file.
        return sorted([3, 1, 2], key=lambda each: [rest for rest in endless(each)])
    return descend(depth - 1)


def endless(each):
    yield each
    exec(compile("def nap(seconds):\n    sleep(seconds)\n\n\nnap(3600)\n", "<made>", "exec"), {"sleep": time.sleep})
    yield each


def main():
    client, peer = socket.socketpair()
    start(reserve)
    start(checkout)
    start(fetch, client)
    start(Worker.of, "order")
    start(descend, 12)
    tell(6), time.sleep(3600), peer.close()


main()

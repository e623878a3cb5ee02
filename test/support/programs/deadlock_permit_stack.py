"""Two threads wait for each other: one has the only permit of a semaphore by an ExitStack, whose entries need not have been
entered; the other one has a lock. SINCE: 3.6. ALSO: deadlock likely. NEVER: deadlock proven"""
import contextlib
import threading

from common import park, start

connections = threading.BoundedSemaphore(1)
cart = threading.Lock()
has_connection = threading.Event()
has_cart = threading.Event()


def show_cart():
    with contextlib.ExitStack() as stack:
        stack.enter_context(connections)
        has_connection.set()
        has_cart.wait()
        with cart:  # HANG: deadlock of store_cart
            pass


def store_cart():
    with cart:  # HOLDS: python-lock
        has_cart.set()
        has_connection.wait()
        with connections:  # HANG: deadlock of show_cart
            pass


start(show_cart)
start(store_cart)
park()

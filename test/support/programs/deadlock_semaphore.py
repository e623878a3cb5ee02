"""Two threads wait for each other: one has the only permit of a bounded semaphore, the other one a lock. ALSO: deadlock proven"""
import threading

from common import park, start

connections = threading.BoundedSemaphore(1)
cart = threading.Lock()
has_connection = threading.Event()
has_cart = threading.Event()


def show_cart():
    with connections:  # HOLDS: semaphore
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


def count():
    has_connection.wait()
    with connections:  # VICTIM: semaphore of show_cart
        pass


start(show_cart)
start(store_cart)
start(count)
park()

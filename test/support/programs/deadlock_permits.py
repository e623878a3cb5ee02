"""Each of two threads has one of the two permits of a bounded semaphore and waits for another one. ALSO: deadlock proven"""
import threading

from common import park, start

connections = threading.BoundedSemaphore(2)
has_first = [threading.Event(), threading.Event()]


def copy_orders():
    with connections:  # HOLDS: semaphore
        has_first[0].set()
        has_first[1].wait()
        with connections:  # HANG: deadlock of copy_carts
            pass


def copy_carts():
    with connections:  # HOLDS: semaphore
        has_first[1].set()
        has_first[0].wait()
        with connections:  # HANG: deadlock of copy_orders
            pass


start(copy_orders)
start(copy_carts)
park()

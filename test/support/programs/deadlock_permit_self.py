"""A thread takes the only permit of a semaphore twice. Of a plain semaphore memory does not say how many permits there
are: that nobody else has one is likely. ALSO: deadlock likely. NEVER: deadlock proven"""
import threading

from common import park, start

connections = threading.Semaphore(1)


def copy_orders():
    with connections:  # HOLDS: semaphore
        with connections:  # HANG: deadlock of copy_orders
            pass


start(copy_orders)
park()

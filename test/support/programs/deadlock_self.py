"""A thread waits for a lock that it holds itself: a cycle of one."""
import threading

from common import park, start

cache = threading.Lock()


def refresh():
    with cache:  # HOLDS: python-lock
        load()


def load():
    with cache:  # HANG: deadlock of refresh
        pass


start(refresh)
park()

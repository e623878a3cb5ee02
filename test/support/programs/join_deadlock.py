"""A thread joins another one while it holds the lock that this one wants."""
import threading

from common import park, start

registry = threading.Lock()
has_registry = threading.Event()
workers = []


def report():
    has_registry.wait()
    with registry:  # HANG: deadlock of shut_down
        pass


def shut_down():
    with registry:  # HOLDS: python-lock
        has_registry.set()
        workers[0].join()  # HANG: deadlock of report


workers.append(start(report))
start(shut_down)
park()

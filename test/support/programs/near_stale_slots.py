"""Two threads left the block of the lock that the other waits for, which a third holds: what is left of the block
on their stacks must not be read as holding. NEVER: deadlock"""
import threading

from common import park, start

try:
    import queue
except ImportError:
    import Queue as queue

accounts = threading.Lock()
ledger = threading.Lock()
left = [threading.Event(), threading.Event()]
is_closed = threading.Event()
jobs = queue.Queue()


def transfer():
    with accounts:
        pass
    left[0].set()
    is_closed.wait()
    with ledger:  # VICTIM: python-lock
        pass


def audit():
    with ledger:
        pass
    left[1].set()
    is_closed.wait()
    with accounts:  # VICTIM: python-lock
        pass


def close():
    for event in left:
        event.wait()
    accounts.acquire()
    ledger.acquire()
    is_closed.set()
    jobs.get()  # IDLE


start(transfer)
start(audit)
start(close)
park()

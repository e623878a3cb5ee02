"""What looks like holding a lock and is not: a block whose lock another thread released and a third took, a semaphore;
and a reentrant lock that is held twice over. NEVER: deadlock proven, deadlock likely, orphaned-lock"""
import threading

from common import park, start

try:
    import queue
except ImportError:
    import Queue as queue

accounts = threading.Lock()
ledger = threading.Lock()
cache = threading.RLock()
slot = threading.Semaphore(1)
has_ledger, is_released, is_closed, has_accounts, has_slot = [threading.Event() for _ in range(5)]
jobs = queue.Queue()


def audit():
    with ledger:
        has_ledger.set()
        has_accounts.wait()
        with accounts:  # VICTIM: python-lock of transfer
            pass


def release_for_another():
    has_ledger.wait()
    ledger.release()
    is_released.set()
    with slot:
        has_slot.set()
        jobs.get()  # IDLE


def close():
    is_released.wait()
    with ledger:
        with cache:
            with cache:
                is_closed.set()
                jobs.get()  # HANG: wait-notify


def transfer():
    is_closed.wait()
    with accounts:
        has_accounts.set()
        with ledger:  # VICTIM: python-lock
            pass


def look_up():
    is_closed.wait()
    with cache:  # VICTIM: python-rlock of close
        pass


def take_slot():
    has_slot.wait()
    with slot:  # IDLE
        pass


for function in audit, release_for_another, close, transfer, look_up, take_slot:
    start(function)
park()

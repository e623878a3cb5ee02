"""Two threads take and release the same two locks all the time, in the same order, and make progress. NEVER: deadlock, lock-wait, orphaned-lock, sleep, blocking-io"""
import threading
import time

from common import park, start

accounts = threading.Lock()
ledger = threading.Lock()


def transfer():
    while True:
        with accounts:
            with ledger:
                time.sleep(0.001)


start(transfer)
start(transfer)
park()

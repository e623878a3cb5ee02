"""Several causes at once: a busy loop, two threads that hold each other's lock, a silent peer; and idle workers."""
import threading

from common import loopback_pair, park, start

try:
    import queue
except ImportError:
    import Queue as queue

accounts = threading.Lock()
ledger = threading.Lock()
has_accounts = threading.Event()
has_ledger = threading.Event()
jobs = queue.Queue()


def count_orders():
    orders = 0
    while True: orders += 1  # HANG: busy-loop


def transfer():
    with accounts:  # HOLDS: python-lock
        has_accounts.set()
        has_ledger.wait()
        with ledger:  # HANG: deadlock of audit
            pass


def audit():
    with ledger:  # HOLDS: python-lock
        has_ledger.set()
        has_accounts.wait()
        with accounts:  # HANG: deadlock of transfer
            pass


def fetch_price(connection):
    return connection.recv(4096)  # HANG: blocking-io


def work():
    while True:
        job = jobs.get()  # IDLE x2
        job()


client, peer = loopback_pair()
start(work)
start(work)
start(transfer)
start(audit)
start(fetch_price, client)
start(count_orders)
park()

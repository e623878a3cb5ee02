"""Two threads hold each other's lock by bare acquire(): a deadlock, but nothing in memory proves it. NEVER: deadlock proven"""
import threading

from common import park, start

accounts = threading.Lock()
ledger = threading.Lock()
has_accounts = threading.Event()
has_ledger = threading.Event()


def transfer():
    accounts.acquire()
    has_accounts.set()
    has_ledger.wait()
    ledger.acquire()  # VICTIM: python-lock


def audit():
    ledger.acquire()
    has_ledger.set()
    has_accounts.wait()
    accounts.acquire()  # VICTIM: python-lock


start(transfer)
start(audit)
park()

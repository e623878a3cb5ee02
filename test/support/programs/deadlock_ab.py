"""Two threads take the same two locks in opposite order."""
import threading

from common import park, start

accounts = threading.Lock()
ledger = threading.Lock()
has_accounts = threading.Event()
has_ledger = threading.Event()


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


start(transfer)
start(audit)
park()

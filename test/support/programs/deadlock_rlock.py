"""Two threads take the same two reentrant locks in opposite order; each holds its first one twice."""
import threading

from common import park, start

accounts = threading.RLock()
ledger = threading.RLock()
has_accounts = threading.Event()
has_ledger = threading.Event()


def transfer():
    with accounts:  # HOLDS: python-rlock
        with accounts:  # HOLDS: python-rlock
            has_accounts.set()
            has_ledger.wait()
            with ledger:  # HANG: deadlock of audit
                pass


def audit():
    with ledger:  # HOLDS: python-rlock
        with ledger:  # HOLDS: python-rlock
            has_ledger.set()
            has_accounts.wait()
            with accounts:  # HANG: deadlock of transfer
                pass


start(transfer)
start(audit)
park()

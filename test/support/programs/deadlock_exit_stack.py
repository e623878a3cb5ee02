"""Two threads take the same two locks in opposite order, through an ExitStack. SINCE: 3.6"""
import contextlib
import threading

from common import park, start

accounts = threading.Lock()
ledger = threading.RLock()
has_accounts = threading.Event()
has_ledger = threading.Event()


def transfer():
    with contextlib.ExitStack() as stack:  # HOLDS: python-lock
        stack.enter_context(accounts)
        has_accounts.set()
        has_ledger.wait()
        stack.enter_context(ledger)  # HANG: deadlock of audit


def audit():
    with contextlib.ExitStack() as stack:  # HOLDS: python-rlock
        stack.enter_context(ledger)
        has_ledger.set()
        has_accounts.wait()
        stack.enter_context(accounts)  # HANG: deadlock of transfer


start(transfer)
start(audit)
park()

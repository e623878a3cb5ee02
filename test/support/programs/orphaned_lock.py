"""A process was forked while another thread held a lock: in the child two threads wait for it, and nobody holds it."""
import threading

from common import go_on_in_child, ready, start

ledger = threading.Lock()
has_ledger = threading.Event()
never = threading.Event()


def audit():
    with ledger:
        has_ledger.set()
        never.wait()


def transfer():
    with ledger:  # HANG: orphaned-lock x2
        pass


# The thread that the child starts gets the stack of the youngest one that stays behind.
for function in audit, never.wait:
    left_behind = threading.Thread(target=function)
    left_behind.daemon = True
    left_behind.start()
has_ledger.wait()
go_on_in_child()
start(transfer)
ready()
transfer()

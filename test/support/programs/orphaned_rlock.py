"""A process was forked while another thread held a reentrant lock: in the child its owner does not exist."""
import threading

from common import go_on_in_child, ready

ledger = threading.RLock()
has_ledger = threading.Event()
never = threading.Event()


def audit():
    with ledger:
        has_ledger.set()
        never.wait()


def transfer():
    with ledger:  # HANG: orphaned-lock
        pass


left_behind = threading.Thread(target=audit)
left_behind.daemon = True
left_behind.start()
has_ledger.wait()
go_on_in_child()
ready()
transfer()

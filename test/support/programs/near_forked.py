"""A forked process that waits for a lock which the thread that stayed behind had given back: one of its own threads took it. NEVER: orphaned-lock, deadlock"""
import threading

from common import go_on_in_child, park, start

ledger = threading.Lock()
is_done = threading.Event()
is_shut = threading.Event()
never = threading.Event()


def audit():
    with ledger:
        pass
    is_done.set()
    never.wait()


def shut():
    ledger.acquire()
    is_shut.set()
    never.wait()  # IDLE


def transfer():
    is_shut.wait()
    with ledger:  # VICTIM: python-lock
        pass


# Those that the child starts get the stacks of the youngest that stay behind.
for function in audit, never.wait, never.wait:
    left_behind = threading.Thread(target=function)
    left_behind.daemon = True
    left_behind.start()
is_done.wait()
go_on_in_child()
start(shut)
start(transfer)
park()

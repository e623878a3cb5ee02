"""A call of C enters a second interpreter and waits there: both have frames on one stack, and the lock that the outer one holds is waited for."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def back_off():
    time.sleep(3600)  # HANG: sleep


if __name__ == "__main__":
    import threading

    from common import park, start
    from elsewhere import nested, wait_for_arrivals

    ledger = threading.Lock()
    has_ledger = threading.Event()

    def serve():
        with ledger:  # HOLDS: python-lock
            has_ledger.set()
            nested("nested", "back_off")  # that is, back_off()

    def audit():
        has_ledger.wait()
        with ledger:  # VICTIM: python-lock
            pass

    start(serve)
    start(audit)
    wait_for_arrivals()
    park()

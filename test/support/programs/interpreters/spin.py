"""A loop in a second interpreter that shares the GIL: CPython 3.9 to 3.12 never ask it to let the others have their turn."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def spin():
    import time

    time.sleep(0.5)
    turns = 0
    while True: turns += 1  # HANG: busy-loop


if __name__ == "__main__":
    import time

    from common import park, start
    from elsewhere import start_foreign, wait_for_arrivals

    def tick():
        while True: time.sleep(0.01)  # GIL: waits x2

    start(tick)
    start(tick)
    start_foreign("spin", "spin")
    wait_for_arrivals()
    park()

"""C code that a second interpreter runs keeps the one GIL: the threads of the main interpreter wait for it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

try:
    numbers = xrange
except NameError:
    numbers = range


def report():
    import time

    time.sleep(0.5)
    return sum(numbers(10 ** 13))  # HANG: busy-native


if __name__ == "__main__":
    import time

    from common import park, start
    from elsewhere import start_foreign, wait_for_arrivals

    def tick():
        while True: time.sleep(0.01)  # GIL: waits x2

    start(tick)
    start(tick)
    start_foreign("shared_gil", "report")
    wait_for_arrivals()
    park()

"""An interpreter with a GIL of its own, which C code keeps: its other threads wait for it, those of the main interpreter go on."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def report():
    import threading

    threading.Thread(target=inner_tick).start()
    time.sleep(0.5)
    return sum(range(10**13))  # HANG: busy-native


def inner_tick():
    while True: time.sleep(0.01)


if __name__ == "__main__":
    from common import park, start
    from elsewhere import run_isolated, wait_for_arrivals

    def tick():
        while True: time.sleep(0.01)  # GIL: free x2

    def serve():
        run_isolated("own_gil", "report")  # that is, report()

    start(tick)
    start(tick)
    start(serve)
    wait_for_arrivals()
    park()

"""`many.py THREADS DEPTH MEBIBYTES`: one thread holds a lock and sleeps, the others wait for it; all of them deep down."""
import sys
import threading
import time

from standing import start, tell

threads, depth, mebibytes = [int(text) for text in sys.argv[1:]]
ballast = bytearray(mebibytes << 20)
shared = threading.Lock()
has_shared = threading.Event()


def descend(left, act):
    if left > 0:
        descend(left - 1, act)
    else:
        act()


def hold():
    with shared:
        has_shared.set()
        time.sleep(3600)


def wait():
    has_shared.wait()
    with shared:
        pass


def main():
    threading.stack_size(512 << 10)
    start(descend, depth, hold)
    for _ in range(threads - 2):
        start(descend, depth, wait)
    tell(threads), time.sleep(3600)


main()

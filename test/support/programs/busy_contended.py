"""Byte code without end, beside threads that take the GIL from it again and again."""
import time

from common import park, start


def recount():
    while True: pass  # HANG: busy-loop


def look():
    while True:
        time.sleep(0.001)  # IDLE: working x2


start(recount)
start(look)
start(look)
park()

"""C code keeps the GIL, so that three threads with work of their own wait for it: victims, not causes."""
import time

from common import after_ready, park, start

try:
    numbers = xrange
except NameError:
    numbers = range


def report():
    after_ready()
    return sum(numbers(10 ** 13))  # HANG: busy-native


def tick():
    while True: time.sleep(0.01)  # GIL: waits x3


for _ in range(3):
    start(tick)
start(report)
park()

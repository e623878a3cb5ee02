"""A thread loops for ever in Python code."""
from common import park, start


def count_orders():
    orders = 0
    while True: orders += 1  # HANG: busy-loop


start(count_orders)
park()

"""A thread loops for ever over several lines: the core may show any of them."""
from common import park, start


def merge_prices(prices):
    index = 0
    while index < len(prices):  # HANG: busy-loop
        if prices[index] < 0:  # HANG: busy-loop
            index += 1
        else:
            prices[index] += 0  # HANG: busy-loop


start(merge_prices, [3, 1, 2])
park()

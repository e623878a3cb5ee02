"""A sum that takes hours: C code that keeps the GIL."""
from common import after_ready, park, start

try:
    numbers = xrange
except NameError:
    numbers = range


def total():
    after_ready()
    return sum(numbers(10 ** 13))  # HANG: busy-native


start(total)
park()

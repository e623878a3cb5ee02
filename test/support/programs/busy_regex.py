"""A regular expression that backtracks for ever: C code that keeps the GIL."""
import re

from common import after_ready, park, start

NAME = re.compile(r"(a+)+$")


def check_name(text):
    after_ready()
    return NAME.match(text)  # HANG: busy-native


start(check_name, "a" * 60 + "!")
park()

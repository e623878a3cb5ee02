"""A thread sleeps for an hour."""
import time

from common import park, start


def back_off():
    time.sleep(3600)  # HANG: sleep


start(back_off)
park()

"""Threads wait for a condition, an event and a semaphore that nobody has reached yet. NEVER: any"""
import threading

from common import park, start

changed = threading.Condition()
stop = threading.Event()
slots = threading.Semaphore(0)


def watch():
    with changed:
        while True:
            changed.wait()  # IDLE x2


def linger():
    stop.wait()  # IDLE


def take():
    slots.acquire()  # IDLE


start(watch)
start(watch)
start(linger)
start(take)
park()

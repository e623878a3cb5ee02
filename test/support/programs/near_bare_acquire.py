"""A lock was taken by a bare acquire() and is kept by a thread that idles: no owner can be proven. NEVER: deadlock"""
import threading

from common import park, start

try:
    import queue
except ImportError:
    import Queue as queue

door = threading.Lock()
is_shut = threading.Event()
jobs = queue.Queue()


def shut():
    door.acquire()
    is_shut.set()
    jobs.get()  # IDLE


def enter():
    is_shut.wait()
    with door:  # VICTIM: python-lock x2
        pass


start(shut)
start(enter)
start(enter)
park()

"""A job was taken from a queue and never said to be done: the main thread waits for that, the worker for another job."""
from common import ready, start

try:
    import queue
except ImportError:
    import Queue as queue

jobs = queue.Queue()


def work():
    while True:
        jobs.get()  # HANG: wait-notify x2


def finish():
    jobs.join()  # HANG: wait-notify


start(work)
start(work)
jobs.put("invoice 17")
ready()
finish()

"""A worker is busy for a few milliseconds, then waits for its next job: light load. NEVER: any"""
import time

from common import park, start

try:
    import queue
except ImportError:
    import Queue as queue

jobs = queue.Queue()


def produce():
    while True:
        jobs.put(20000)
        time.sleep(0.05)


def work():
    while True:
        sum(number * number for number in range(jobs.get()))


start(work)
start(work)
start(produce)
park()

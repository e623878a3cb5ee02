"""Workers wait for jobs of a queue that is empty. NEVER: any"""
from common import park, start

try:
    import queue
except ImportError:
    import Queue as queue

jobs = queue.Queue()


def work():
    while True:
        job = jobs.get()  # IDLE x4
        job()
        jobs.task_done()


for _ in range(4):
    start(work)
for _ in range(8):
    jobs.put(lambda: None)
jobs.join()
park()

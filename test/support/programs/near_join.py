"""The main thread joins workers that are well: one waits for jobs, one sleeps between two rounds, one accepts. NEVER: any"""
import socket
import time

from common import ready, start

try:
    import queue
except ImportError:
    import Queue as queue

jobs = queue.Queue()


def work():
    while True:
        jobs.get()  # IDLE


def clean_up():
    while True:
        time.sleep(20)  # IDLE: working


def accept(listener):
    while True:
        connection, _ = listener.accept()  # IDLE
        jobs.put(connection)


def finish(workers):
    for worker in workers:
        worker.join()  # IDLE


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
workers = [start(work), start(clean_up), start(accept, listener)]
ready()
finish(workers[:1])

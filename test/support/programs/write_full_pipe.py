"""A thread writes to a pipe that nobody reads, half of it done, and keeps the lock that two others want."""
import os
import threading

from common import park, start

log = threading.Lock()
is_writing = threading.Event()
reader, writer = os.pipe()
page = b"x" * 100000


def write():
    with log:  # HOLDS: python-lock
        is_writing.set()
        os.write(writer, page)  # HANG: blocking-io


def answer():
    is_writing.wait()
    with log:  # VICTIM: python-lock of write x2
        pass


start(write)
start(answer)
start(answer)
park()

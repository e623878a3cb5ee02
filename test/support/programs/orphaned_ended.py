"""A thread took a reentrant lock and ended without giving it back."""
import threading

from common import park, start

cache = threading.RLock()
is_over = threading.Event()


def leave():
    cache.acquire()


def enter():
    is_over.wait()
    with cache:  # HANG: orphaned-lock x2
        pass


# They run already when the thread ends, so that they get neither its stack nor its identity.
start(enter)
start(enter)
leaver = threading.Thread(target=leave)
leaver.start()
leaver.join()
is_over.set()
park()

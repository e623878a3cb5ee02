"""An event was set and cleared before a thread came to wait for it, which it does while others want its lock."""
import threading

from common import park, start

cache = threading.Lock()
has_cache = threading.Event()
is_warm = threading.Event()


def warm_up():
    with cache:  # HOLDS: python-lock
        has_cache.set()
        is_warm.wait()  # HANG: wait-notify


def show_page():
    has_cache.wait()
    with cache:  # VICTIM: python-lock of warm_up x2
        pass


is_warm.set()
is_warm.clear()
start(warm_up)
start(show_page)
start(show_page)
park()

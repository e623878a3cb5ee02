"""A process was forked while another thread held a mutex of C: in the child it names a thread that is none of its own."""
import ctypes
import threading

from common import go_on_in_child, ready

libc = ctypes.CDLL(None)
# No mutex is larger; zeroes are what PTHREAD_MUTEX_INITIALIZER makes.
mutex = ctypes.create_string_buffer(64)
has_mutex = threading.Event()
never = threading.Event()


def render():
    libc.pthread_mutex_lock(mutex)
    has_mutex.set()
    never.wait()


def print_page():
    libc.pthread_mutex_lock(mutex)  # HANG: orphaned-lock


left_behind = threading.Thread(target=render)
left_behind.daemon = True
left_behind.start()
has_mutex.wait()
go_on_in_child()
ready()
print_page()

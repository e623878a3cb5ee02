"""A chain of mixed kind: threads wait for C mutexes of each type, whose owner waits for the GIL, which C code keeps."""
import ctypes
import threading
import time

from common import after_ready, park, start

try:
    numbers = xrange
except NameError:
    numbers = range

libc = ctypes.CDLL(None)
has_mutexes = threading.Event()


def make_mutex(settle, value):
    """A pthread_mutex_t with an attribute (pthread_mutexattr_settype(3) and its like); no structure is larger."""
    attributes = ctypes.create_string_buffer(64)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutexattr_init(attributes)
    settle(attributes, value)
    libc.pthread_mutex_init(mutex, attributes)
    return mutex


mutexes = [
    make_mutex(libc.pthread_mutexattr_settype, 0),  # PTHREAD_MUTEX_NORMAL
    make_mutex(libc.pthread_mutexattr_settype, 1),  # PTHREAD_MUTEX_RECURSIVE
    make_mutex(libc.pthread_mutexattr_settype, 2),  # PTHREAD_MUTEX_ERRORCHECK
    make_mutex(libc.pthread_mutexattr_setprotocol, 1),  # PTHREAD_PRIO_INHERIT
    make_mutex(libc.pthread_mutexattr_setrobust, 1),  # PTHREAD_MUTEX_ROBUST
]


def write():
    for mutex in mutexes:
        libc.pthread_mutex_lock(mutex)
    has_mutexes.set()
    while True: time.sleep(0.01)  # GIL: waits


def read(mutex):
    has_mutexes.wait()
    libc.pthread_mutex_lock(mutex)  # VICTIM: pthread-mutex of write x5


def report():
    after_ready()
    return sum(numbers(10 ** 13))  # HANG: busy-native


start(write)
for mutex in mutexes:
    start(read, mutex)
start(report)
park()

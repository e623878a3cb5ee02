"""Threads wait for a read-write lock and for a condition variable of C: neither is a mutex, nor says who holds it. NEVER: any"""
import ctypes
import threading

from common import park, start

libc = ctypes.CDLL(None)
# No structure of pthread.h is larger; zeroes are what the static initializers make.
gate = ctypes.create_string_buffer(64)
changed = ctypes.create_string_buffer(64)
mutex = ctypes.create_string_buffer(64)
has_gate = threading.Event()
never = threading.Event()


def shut():
    libc.pthread_rwlock_wrlock(gate)
    has_gate.set()
    never.wait()  # IDLE


def enter():
    has_gate.wait()
    libc.pthread_rwlock_wrlock(gate)  # VICTIM: unknown


def look():
    has_gate.wait()
    libc.pthread_rwlock_rdlock(gate)  # VICTIM: unknown


def watch():
    libc.pthread_mutex_lock(mutex)
    libc.pthread_cond_wait(changed, mutex)  # VICTIM: unknown


start(shut)
start(enter)
start(look)
start(watch)
park()

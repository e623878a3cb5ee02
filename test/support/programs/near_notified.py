"""An event was set, and C code keeps the GIL that its waiter needs to go on. NEVER: wait-notify"""
import ctypes
import threading

from common import after_ready, park, start

is_warm = threading.Event()


def show_page():
    is_warm.wait()  # GIL x2


def warm_up():
    after_ready(0)
    is_warm.set()
    ctypes.PyDLL(None).sleep(3600)  # HANG: sleep


start(show_page)
start(show_page)
start(warm_up)
park()

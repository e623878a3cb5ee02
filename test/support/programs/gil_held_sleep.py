"""C code blocks in a system call and keeps the GIL, so that whoever has work to do waits for it: victims, not causes."""
import ctypes
import time

from common import after_ready, park, start


def back_off():
    after_ready(0)
    ctypes.PyDLL(None).sleep(3600)  # HANG: sleep


def tick():
    while True: time.sleep(0.01)  # GIL: waits x3


for _ in range(3):
    start(tick)
start(back_off)
park()

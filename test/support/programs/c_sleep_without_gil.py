"""C code blocks in a system call and has given the GIL up: nobody waits for it. NEVER: busy-loop, busy-native"""
import ctypes
import time

from common import park, start


def back_off():
    ctypes.CDLL(None).sleep(3600)  # HANG: sleep


def tick():
    while True: time.sleep(0.01)  # GIL: free x2


for _ in range(2):
    start(tick)
start(back_off)
park()

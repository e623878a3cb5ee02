"""A service with one thread that stands in the kernel: journal.py NAME vfork LIBRARY | write FILE | idle.

`write` writes once it is told to, by SIGUSR1.
"""
import ctypes
import os
import signal
import sys
import threading

# A group whose leader has its parent in the same session: the kernel drops SIGTSTP in any other (setpgid(2)).
os.setpgid(0, 0)
told = threading.Event()
signal.signal(signal.SIGUSR1, lambda number, frame: told.set())


def flush(library):
    library.wait_for_child()


def append(journal):
    told.wait()
    journal.write(b"an order\n")


how = sys.argv[2]
if how == "vfork":
    work, argument = flush, ctypes.CDLL(sys.argv[3])
elif how == "write":
    work, argument = append, open(sys.argv[3], "ab", buffering=0)
else:
    work, argument = told.wait, None

threading.Thread(target=work, args=(argument,), daemon=True).start()
print("ready", flush=True)
while True:
    signal.pause()

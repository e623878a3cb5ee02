"""What all target programs share. Each of them runs alike on CPython 2.7 and 3.x."""
import ctypes
import signal
import socket
import sys
import threading
import time

_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)

_said_ready = threading.Event()


def start(function, *args):
    thread = threading.Thread(target=function, args=args, name=function.__name__)
    thread.daemon = True
    thread.start()


def park():
    """Says READY and waits for a signal, as the main thread of a server's master does."""
    ready()
    while True:
        signal.pause()  # IDLE: main


def ready():
    allow_debugger()
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    _said_ready.set()


def allow_debugger():
    """Yama (ptrace_scope 1) lets a process be traced by its ancestors only, unless it asks for more: prctl(2)."""
    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_PTRACER), _PR_SET_PTRACER_ANY, 0, 0, 0)


def after_ready():
    """For a thread that will never give the GIL back: lets every other thread reach its place first."""
    _said_ready.wait()
    time.sleep(0.5)


def loopback_pair():
    """Two ends of a TCP connection on loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    client = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    return client, peer

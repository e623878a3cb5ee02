"""What all target programs share. Each of them runs alike on CPython 2.7 and 3.x."""
import ctypes
import os
import signal
import socket
import sys
import threading
import time

try:
    from threading import get_ident
except ImportError:
    from thread import get_ident

_SYS_GETTID = {"x86_64": 186, "aarch64": 178}[os.uname()[4]]
_PR_SET_PDEATHSIG = 1
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)

_said_ready = threading.Event()


_started = []


def start(function, *args):
    """Starts a thread that the READY line will name, and returns it."""
    entry = {"function": function.__name__}
    _started.append(entry)

    def run():
        identify(entry)
        function(*args)

    thread = threading.Thread(target=run, name=function.__name__)
    thread.daemon = True
    thread.start()
    return thread


def join_in(function):
    """For a thread that somebody else started, a pool's: the READY line will name it all the same."""
    entry = {"function": function.__name__}
    identify(entry)
    _started.append(entry)


def await_members(count):
    """Until as many threads were started, or joined in."""
    while len(_started) < count:
        time.sleep(0.01)


def park():
    """Says who its threads are and waits for a signal, as the main thread of a server's master does."""
    ready()
    while True:
        signal.pause()  # IDLE: main


def go_on_in_child():
    """Forks. What was started before stays behind in the parent, which only waits; the READY line will name the child."""
    child = os.fork()
    if child != 0:
        os.waitpid(child, 0)
        os._exit(1)
    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    del _started[:]


def ready():
    """Prints one line of JSON: the thread id (gettid(2)) and pthread_self(3) of each thread and what it was started for."""
    allow_debugger()
    main = {"function": "<module>"}
    identify(main)
    while not all("lwp" in entry for entry in _started):
        time.sleep(0.01)
    threads = ", ".join(describe(entry) for entry in [main] + _started)
    sys.stdout.write('{"pid": %d, "threads": [%s]}\n' % (os.getpid(), threads))
    sys.stdout.flush()
    _said_ready.set()


def describe(entry):
    return '{"function": "%(function)s", "ident": "%(ident)d", "lwp": %(lwp)d}' % entry


def identify(entry):
    entry["ident"] = get_ident()
    # Python has get_native_id() from 3.8 on only.
    entry["lwp"] = ctypes.CDLL(None).syscall(ctypes.c_long(_SYS_GETTID))


def allow_debugger():
    """Yama (ptrace_scope 1) lets a process be traced by its ancestors only, unless it asks for more: prctl(2)."""
    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_PTRACER), _PR_SET_PTRACER_ANY, 0, 0, 0)


def after_ready(seconds=0.5):
    """For a thread that will never give the GIL back: lets every other thread reach its place first."""
    _said_ready.wait()
    if seconds > 0:
        time.sleep(seconds)


def loopback_pair():
    """Two ends of a TCP connection on loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    client = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    return client, peer


def trickle(*peers):
    """Peers that are slow but alive: each gets one byte every 100 ms."""
    while True:
        for peer in peers:
            peer.sendall(b".")
        time.sleep(0.1)

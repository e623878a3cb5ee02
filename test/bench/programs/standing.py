"""What the programs of the bench share: they write down where each of their threads stands, and then stay there."""
import ctypes
import json
import os
import sys
import threading
import time

_SYS_GETTID = {"x86_64": 186, "aarch64": 178}[os.uname()[4]]
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)

# By threading's ident (pthread_self(3)): thread id (gettid(2)).
_lwps = {}
# What interpreters of their own said of the threads that run them, by thread id: innermost first.
_inner = {}


def register():
    """To be called by each thread, once, before it stands still."""
    ident = threading.current_thread().ident
    _lwps[ident] = ctypes.CDLL(None).syscall(ctypes.c_long(_SYS_GETTID))
    return _lwps[ident]


def start(function, *args):
    def run():
        register()
        function(*args)

    thread = threading.Thread(target=run, name=function.__name__)
    thread.daemon = True
    thread.start()


def add_inner(lwp, frames):
    _inner[lwp] = frames


def describe(frame):
    """A frame and its callers, innermost first."""
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append({"name": code.co_name, "file": code.co_filename, "line": frame.f_lineno})
        if hasattr(code, "co_qualname"):
            frames[-1]["qualifiedName"] = code.co_qualname
        frame = frame.f_back
    return frames


def tell(count):
    """Prints one line of JSON: where all `count` threads stand. The caller must stay on the line that it calls from."""
    # Yama lets a process be traced by its ancestors only, unless it asks for more: prctl(2).
    ctypes.CDLL(None).prctl(ctypes.c_int(_PR_SET_PTRACER), _PR_SET_PTRACER_ANY, 0, 0, 0)
    own = register()
    while len(_lwps) < count:
        time.sleep(0.01)
    # They have registered, and are on their way to where they stand.
    time.sleep(0.5)
    threads = []
    for ident, frame in sys._current_frames().items():
        lwp = _lwps[ident]
        frames = describe(frame)
        # This function returns.
        frames = frames[1:] if lwp == own else frames
        threads.append({"lwp": lwp, "ident": ident, "frames": _inner.get(lwp, []) + frames})
    sys.stdout.write(json.dumps({"threads": threads}) + "\n")
    sys.stdout.flush()

"""A thread whose innermost frames are those of an interpreter of its own."""
import json
import os
import time

from standing import add_inner, register, start, tell

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

SCRIPT = """
import json, os, sys, time

def describe(frame):
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append({"name": code.co_name, "file": code.co_filename, "line": frame.f_lineno})
        if hasattr(code, "co_qualname"):
            frames[-1]["qualifiedName"] = code.co_qualname
        frame = frame.f_back
    return frames

def descend(depth):
    if depth > 0:
        return descend(depth - 1)
    os.write(%d, json.dumps(describe(sys._getframe())).encode()), time.sleep(3600)

descend(5)
"""

reader, writer = os.pipe()


def serve():
    lwp = register()
    threads.append(lwp)
    interpreters.run_string(interpreters.create(), SCRIPT % writer)


threads = []


def main():
    start(serve)
    frames = json.loads(os.read(reader, 1 << 20).decode())
    add_inner(threads[0], frames)
    tell(2), time.sleep(3600)


main()

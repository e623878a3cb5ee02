"""Greenlets without a library: nested ones, of a class of their own, one in another thread, one that has ended, one that
nobody switched to. The main one sleeps."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import greenlet  # noqa: E402
import truth  # noqa: E402


class Worker(greenlet.greenlet):
    def run(self, depth):
        return self.deeper(depth)

    def deeper(self, depth):
        if depth:
            # Through C: a new call of the evaluator.
            return list(map(self.deeper, [depth - 1]))
        return self.parent.switch()


def switches(*_arguments):
    return greenlet.getcurrent().parent.switch()


def iterates():
    for each in generator():
        return each


def generator():
    yield switches()


def sorts():
    # The comparison is called from C.
    return sorted([3, 2, 1], key=switches)


def nests():
    inner = greenlet.greenlet(switches)
    greenlets.append(("inner", inner))
    inner.switch()
    return greenlet.getcurrent().parent.switch()


def ends():
    return 1


def in_thread():
    other = greenlet.greenlet(iterates)
    other.switch()
    greenlets.append(("in thread", other))
    ready.set()
    threading.Event().wait()
    return other


greenlets = []
ready = threading.Event()
thread = threading.Thread(target=in_thread)
thread.daemon = True
thread.start()
ready.wait()
for name, made in [
    ("worker", Worker()),
    ("iterates", greenlet.greenlet(iterates)),
    ("sorts", greenlet.greenlet(sorts)),
    ("nests", greenlet.greenlet(nests)),
]:
    greenlets.append((name, made))
    made.switch(*([3] if name == "worker" else []))
ended = greenlet.greenlet(ends)
ended.switch()
unborn = greenlet.greenlet(switches)
truth.report(greenlets)
time.sleep(3600)

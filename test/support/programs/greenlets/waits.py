"""A server of gevent that has nothing to do: each greenlet waits for something else. Two have each other's lock."""
import os
import site

# The namespace packages of 2.7 are made by .pth files.
site.addsitedir(os.environ["PYTHONPATH"])

from gevent import monkey  # noqa: E402

monkey.patch_all()

import socket  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gevent  # noqa: E402
import gevent.event  # noqa: E402
import gevent.lock  # noqa: E402
import gevent.queue  # noqa: E402
import truth  # noqa: E402


def listens():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    return listener


def recv():
    connection = socket.create_connection(silent.getsockname())
    connection.recv(10)


def accept():
    lonely.accept()


def sleep():
    time.sleep(4000.5)


def hold():
    with lock, rlock, semaphore:
        time.sleep(3600)


def take_lock():
    with lock:
        return 1


def take_rlock():
    with rlock:
        return 1


def take_semaphore():
    with semaphore:
        return 1


def join():
    holder.join()


def await_event():
    gevent.event.Event().wait()


def get():
    gevent.queue.Queue().get()


def cross(own, other):
    with own:
        gevent.sleep(0.05)
        with other:
            return 1


def thread():
    threading.Event().wait()


silent, lonely = listens(), listens()
lock, rlock, semaphore = threading.Lock(), threading.RLock(), gevent.lock.BoundedSemaphore(1)
left, right = threading.Lock(), threading.Lock()
holder = gevent.spawn(hold)
holder.name = "holder"
gevent.sleep(0.05)
spawned = [("hold", holder)]
for function in (recv, accept, sleep, take_lock, take_rlock, take_semaphore, join, await_event, get):
    spawned.append((function.__name__, gevent.spawn(function)))
spawned.append(("cross", gevent.spawn(cross, left, right)))
spawned.append(("cross", gevent.spawn(cross, right, left)))
started = threading.Thread(target=thread, name="a thread")
started.daemon = True
started.start()
gevent.sleep(0.3)
truth.report(spawned)
gevent.event.Event().wait()

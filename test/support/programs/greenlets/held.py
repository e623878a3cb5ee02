"""Greenlets of a web service that wait for each other or for one. argv[1]: `circle` for three whose locks are taken in
different orders, with two that wait for the first; `peer` for handlers behind one that waits for a silent database,
`blocked` for a handler that blocks the hub by a call that gevent does not know, `native` for one that
blocks on a lock of threads which another holds while it sleeps, `idle` for a server without work."""
import os
import site

site.addsitedir(os.environ["PYTHONPATH"])

from gevent import monkey  # noqa: E402

monkey.patch_all()

import sys  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import socket  # noqa: E402
import threading  # noqa: E402

import gevent  # noqa: E402
import gevent.event  # noqa: E402
import gevent.queue  # noqa: E402
import truth  # noqa: E402


def environ(path):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "wsgi.version": (1, 0)}


def take(lock):
    with lock:
        return 1


def handle(environ, first, second):
    with first:
        gevent.sleep(0.05)
        take(second)


def show(environ, lock):
    take(lock)


def query(connection, lock):
    with lock:
        return connection.recv(10)


def order(environ, connection, lock):
    return query(connection, lock)


def careless(environ):
    gevent.sleep(0.3)
    truth.report(spawned)
    monkey.get_original("time", "sleep")(3600)


def keeps(lock):
    with lock:
        gevent.sleep(3600)


def wants(environ, lock):
    gevent.sleep(0.3)
    truth.report(spawned)
    take(lock)


def patient(environ):
    gevent.sleep(0.5)


def consume(turn, work):
    while True:
        with turn:
            work.get()


def serve(connection):
    while connection.recv(100):
        pass


def listens():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    return listener


def spawn(name, function, *args):
    spawned.append((name, gevent.spawn(function, *args)))


mode, spawned, silent = sys.argv[1], [], listens()
# A hub that waits for nothing ends.
spawn("accept", listens().accept)
if mode == "circle":
    stock, cart, bill = threading.Lock(), threading.Lock(), threading.Lock()
    spawn("stock", handle, environ("/stock"), stock, cart)
    spawn("cart", handle, environ("/cart"), cart, bill)
    spawn("bill", handle, environ("/bill"), bill, stock)
    gevent.sleep(0.2)
    spawn("show", show, environ("/show"), stock)
    spawn("list", show, environ("/list"), stock)
elif mode == "peer":
    lock, connection = threading.Lock(), socket.create_connection(silent.getsockname())
    for number in range(6):
        spawn("order %d" % number, order, environ("/orders/%d" % number), connection, lock)
elif mode == "blocked":
    spawn("careless", careless, environ("/report"))
    for number in range(5):
        spawn("order %d" % number, patient, environ("/orders/%d" % number))
elif mode == "native":
    lock = monkey.get_original("thread" if sys.version_info[0] == 2 else "_thread", "allocate_lock")()
    spawn("keeps", keeps, lock)
    spawn("wants", wants, environ("/report"), lock)
elif mode == "idle":
    turn, work = threading.Lock(), gevent.queue.Queue()
    for number in range(4):
        spawn("consumer %d" % number, consume, turn, work)
        spawn("kept %d" % number, serve, socket.create_connection(silent.getsockname()))
if mode not in ("blocked", "native"):
    gevent.sleep(0.4)
    truth.report(spawned)
gevent.event.Event().wait()

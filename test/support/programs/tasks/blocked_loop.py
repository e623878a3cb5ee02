"""A handler that blocks its event loop, so that the others of the service stand still. argv[1]: by what."""
import asyncio
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import truth  # noqa: E402


def sleep():
    time.sleep(20)


def sleep_long():
    time.sleep(3600)


def recv():
    socket.create_connection(("127.0.0.1", truth.silent_server())).recv(1)


def busy():
    while True:
        pass


def lock():
    taken = threading.Lock()
    taken.acquire()
    taken.acquire()


def event():
    threading.Event().wait()


def owned():
    with shared:
        return 1


def keeps():
    with shared:
        kept.set()
        time.sleep(3600)


shared, kept = threading.Lock(), threading.Event()


async def careless(scope):
    await asyncio.sleep(0.3)
    named.report()
    globals()[sys.argv[1]]()


async def handle(scope):
    await asyncio.sleep(0.5)
    return 1


def scope(path):
    return {"type": "http", "method": "GET", "path": path, "headers": []}


async def main():
    if sys.argv[1] == "owned":
        threading.Thread(target=keeps, daemon=True).start()
        kept.wait()
    named("careless", careless(scope("/report")))
    for number in range(5):
        named("order %d" % number, handle(scope("/orders/%d" % number)))
    await asyncio.Event().wait()


named = truth.Named()
asyncio.run(main())

"""Requests wait for a place of a semaphore that a thread took and did not give back when it ended."""
import threading

from common import park, start

connections = threading.BoundedSemaphore(1)


def show_orders(environ):
    with connections:  # HANG: wait-notify x2
        return [environ["PATH_INFO"]]


failed = threading.Thread(target=connections.acquire)
failed.start()
failed.join()
for _ in range(2):
    start(show_orders, {"REQUEST_METHOD": "GET", "PATH_INFO": "/orders"})
park()

"""A condition was notified, by a thread that keeps its lock and reads from a silent peer: the waiters want the lock."""
import threading

from common import loopback_pair, park, start

changed = threading.Condition()
waiting = threading.Semaphore(0)


def watch():
    with changed:
        waiting.release()
        changed.wait()  # VICTIM: python-rlock of publish x2


def publish(client):
    waiting.acquire()
    waiting.acquire()
    with changed:  # HOLDS: python-rlock
        changed.notify_all()
        client.recv(4096)  # HANG: blocking-io


client, peer = loopback_pair()
start(watch)
start(watch)
start(publish, client)
park()

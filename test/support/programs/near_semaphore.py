"""Circles of waits through semaphores that memory does not prove: another holder of a permit gets on, one took a permit
without a block, the permit of a block was given back by another thread. NEVER: deadlock, blocking-io"""
import threading
import time

from common import loopback_pair, park, start, trickle

working = threading.BoundedSemaphore(2)
bare = threading.BoundedSemaphore(2)
given_back = threading.BoundedSemaphore(1)
locks = [threading.Lock() for _ in range(3)]
has_permit, has_lock, is_given, has_again, is_working, is_taken = [threading.Event() for _ in range(6)]


def receive(connection):
    with working:
        is_working.set()
        while connection.recv(1):  # IDLE: working
            pass


def take_working():
    is_working.wait()
    with working:
        has_permit.set()
        has_lock.wait()
        with locks[0]:  # VICTIM: python-lock of take_lock
            pass


def take_lock():
    has_permit.wait()
    with locks[0]:
        has_lock.set()
        with working:  # VICTIM: semaphore of receive
            pass


def take_bare():
    bare.acquire()
    with bare:
        is_taken.set()
        with locks[1]:  # VICTIM: python-lock of wait_bare
            pass


def wait_bare():
    with locks[1]:
        is_taken.wait()
        with bare:  # HANG: wait-notify
            pass


def take_and_lose():
    with given_back:
        is_given.set()
        has_again.wait()
        with locks[2]:  # VICTIM: python-lock of wait_given
            pass


def take_again():
    is_given.wait()
    given_back.release()
    with given_back:
        has_again.set()
        threading.Event().wait()  # IDLE


def wait_given():
    with locks[2]:
        has_again.wait()
        with given_back:  # HANG: wait-notify
            pass


client, peer = loopback_pair()
start(trickle, peer)
start(receive, client)
start(take_working)
start(take_lock)
start(wait_bare)
has_lock.wait()
time.sleep(0.1)
start(take_bare)
start(wait_given)
start(take_and_lose)
start(take_again)
park()

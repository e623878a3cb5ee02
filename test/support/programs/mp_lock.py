"""A lock that processes share: its holder reads from a silent peer, a thread of this process; another has the second."""
import multiprocessing
import os
import threading

from common import loopback_pair, park, start

try:
    shared = multiprocessing.get_context("fork")
except AttributeError:
    shared = multiprocessing

catalogue = shared.Lock()
ledger = shared.RLock()
has_catalogue = threading.Event()


def query(client):
    with catalogue:  # HOLDS: mp-lock
        has_catalogue.set()
        client.recv(4096)  # HANG: blocking-io


def render():
    has_catalogue.wait()
    with catalogue:  # VICTIM: mp-lock of query
        pass


def print_label():
    has_catalogue.wait()
    catalogue.acquire()  # VICTIM: mp-lock of query


def audit():
    with ledger:  # HANG: lock-wait
        pass


child = os.fork()
if child == 0:
    ledger.acquire()
    os._exit(0)
os.waitpid(child, 0)
client, peer = loopback_pair()
start(query, client)
start(render)
start(print_label)
start(audit)
park()

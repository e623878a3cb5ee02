"""Every wait has a limit and is asked again: a queue, an event, a socket, a select. NEVER: any"""
import select
import socket
import threading

from common import loopback_pair, park, start

try:
    import queue
except ImportError:
    import Queue as queue

jobs = queue.Queue()
stop = threading.Event()


def work():
    while True:
        try:
            jobs.get(timeout=0.2)
        except queue.Empty:
            pass


def linger():
    while not stop.is_set():
        stop.wait(0.2)


def receive(connection):
    connection.settimeout(0.2)
    while True:
        try:
            connection.recv(4096)
        except socket.timeout:
            pass


def poll(connection):
    while True:
        select.select([connection], [], [], 0.2)


client, peer = loopback_pair()
start(work)
start(linger)
start(receive, client)
start(poll, peer)
park()

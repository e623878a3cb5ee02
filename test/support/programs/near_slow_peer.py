"""A thread reads from a peer that is slow but alive: one byte every 100 ms. NEVER: any"""
import time

from common import loopback_pair, park, start


def send(peer):
    while True:
        peer.sendall(b".")
        time.sleep(0.1)


def receive(connection):
    while connection.recv(1):
        pass


client, peer = loopback_pair()
start(receive, client)
start(send, peer)
park()

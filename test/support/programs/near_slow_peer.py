"""A thread reads from a peer that is slow but alive: one byte every 100 ms. NEVER: any"""
from common import loopback_pair, park, start, trickle


def receive(connection):
    while connection.recv(1):
        pass


client, peer = loopback_pair()
start(receive, client)
start(trickle, peer)
park()

"""A thread reads from a peer that says nothing, without a time limit."""
from common import loopback_pair, park, start


def fetch_price(connection):
    return connection.recv(4096)  # HANG: blocking-io


client, peer = loopback_pair()
start(fetch_price, client)
park()

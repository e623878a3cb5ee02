"""The main thread joins a worker that reads from a silent peer."""
from common import loopback_pair, ready, start


def fetch_price(connection):
    return connection.recv(4096)  # HANG: blocking-io


def finish(worker):
    worker.join()  # VICTIM: join of fetch_price


client, peer = loopback_pair()
worker = start(fetch_price, client)
ready()
finish(worker)

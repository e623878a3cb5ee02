"""A thread that C made, as a server's: its state in the main interpreter is idle, the other one's code reads from a silent peer."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def fetch_price(descriptor):
    return os.read(descriptor, 1)  # HANG: blocking-io


if __name__ == "__main__":
    from common import loopback_pair, park
    from elsewhere import start_foreign, wait_for_arrivals

    client, peer = loopback_pair()
    start_foreign("foreign", "fetch_price", client.fileno())
    wait_for_arrivals()
    park()

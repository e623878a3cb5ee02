"""The top level of a module reads from a silent peer while a thread imports it; two other threads wait to import it too.
The module is this file once more."""
import sys
import threading

from common import loopback_pair, park, start


def receive(main):
    main.is_importing.set()
    main.client.recv(4096)  # HANG: blocking-io


def load():
    # Its top level calls receive().
    import import_wait  # HOLDS: import-lock


def render():
    is_importing.wait()
    import import_wait  # VICTIM: import-lock of load x2


at_top_level = receive
if __name__ == "__main__":
    is_importing = threading.Event()
    client, peer = loopback_pair()
    start(load)
    start(render)
    start(render)
    park()
else:
    at_top_level(sys.modules["__main__"])

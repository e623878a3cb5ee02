"""A chain: two threads wait for a lock whose owner waits for another lock, whose owner sleeps."""
import threading
import time

from common import park, start

session = threading.Lock()
database = threading.Lock()
has_session = threading.Event()
has_database = threading.Event()


def migrate():
    with database:  # HOLDS: python-lock
        has_database.set()
        time.sleep(3600)  # HANG: sleep


def log_in():
    has_database.wait()
    with session:  # HOLDS: python-lock
        has_session.set()
        with database:  # VICTIM: python-lock of migrate
            pass


def show_page():
    has_session.wait()
    with session:  # VICTIM: python-lock of log_in x2
        pass


start(migrate)
start(log_in)
start(show_page)
start(show_page)
park()

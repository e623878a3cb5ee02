"""Three threads wait in a circle, each called from a frame that holds its lock."""
import threading

from common import park, start

stock = threading.Lock()
cart = threading.Lock()
invoice = threading.Lock()
taken = dict((lock, threading.Event()) for lock in (stock, cart, invoice))


def meet(lock):
    taken[lock].set()
    for event in taken.values():
        event.wait()


def reserve():
    with stock:  # HOLDS: python-lock
        meet(stock)
        add_to_cart()


def add_to_cart():
    with cart:  # HANG: deadlock of check_out
        pass


def check_out():
    with cart:  # HOLDS: python-lock
        meet(cart)
        write_invoice()


def write_invoice():
    with invoice:  # HANG: deadlock of cancel
        pass


def cancel():
    with invoice:  # HOLDS: python-lock
        meet(invoice)
        put_back()


def put_back():
    with stock:  # HANG: deadlock of reserve
        pass


start(reserve)
start(check_out)
start(cancel)
park()

"""A web shop that hangs in known ways when it is asked to. WSGI, for Python 2.7 and 3.

A comment `at: NAME` marks the line at which a thread stands while it is in that state; tests read the marks, so no line
number is written down anywhere. Every handler says `arrived(NAME)` just before it gets there.
"""

import os
import re
import socket
import threading
import time

try:
    from urllib.parse import parse_qsl
except ImportError:
    from urlparse import parse_qsl

JOURNAL = os.environ.get('SHOP_JOURNAL', '/run/shop/arrived')

stock_lock = threading.Lock()
cart_lock = threading.Lock()
stock_taken = threading.Event()
cart_taken = threading.Event()

left_lock = threading.Lock()
right_lock = threading.Lock()
left_taken = threading.Event()
right_taken = threading.Event()

leaked_lock = threading.Lock()
till_lock = threading.Lock()
till_taken = threading.Event()
passing_lock = threading.Lock()

meeting = threading.Condition()
met = []

# Accepts nothing: the kernel completes the connection, and nobody ever answers.
silent_peer = socket.socket()
silent_peer.bind(('127.0.0.1', 0))
silent_peer.listen(16)


def arrived(name):
    descriptor = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, (name + '\n').encode('ascii'))
    os.close(descriptor)


def health(query):
    return 'ok'


def meet(query):
    """Lets requests in by so many at a time: each of `threads` threads serves one of them."""
    threads = int(query['threads'])
    with meeting:
        met.append(None)
        last = -(-len(met) // threads) * threads
        meeting.notify_all()
        while len(met) < last:
            meeting.wait()
    return 'met'


# Causes

def recount_stock(query):
    arrived('busy')
    while True: pass  # at: busy


def match_voucher(query):
    arrived('native')
    return str(re.match(r'(a+)+$', 'a' * 64 + 'b'))  # at: native


def reserve_then_charge(query):
    with stock_lock:
        stock_taken.set()
        cart_taken.wait()
        arrived('deadlock-stock')
        with cart_lock:  # at: deadlock-stock
            return 'charged'


def charge_then_reserve(query):
    with cart_lock:
        cart_taken.set()
        stock_taken.wait()
        arrived('deadlock-cart')
        with stock_lock:  # at: deadlock-cart
            return 'reserved'


def place_order(query):
    arrived('victim')
    with stock_lock:  # at: victim
        return 'ordered'


def fetch_price(query):
    host, port = peer_of(query)
    connection = socket.create_connection((host, int(port)))
    arrived('recv')
    return repr(connection.recv(64))  # at: recv


def wait_for_restock(query):
    seconds = float(query.get('seconds', '3600'))
    arrived('sleep')
    time.sleep(seconds)  # at: sleep
    return 'restocked'


class Ledger(object):
    def close_month(self, query):
        arrived('ledger')
        while True: pass  # at: ledger


# Near misses: they look like a cause above and are not

def audit_left(query):
    """As a deadlock, by bare acquire(): real, but no frame proves who owns which lock."""
    left_lock.acquire()
    left_taken.set()
    right_taken.wait()
    arrived('bare-left')
    right_lock.acquire()  # at: bare-left
    return 'audited'


def audit_right(query):
    right_lock.acquire()
    right_taken.set()
    left_taken.wait()
    arrived('bare-right')
    left_lock.acquire()  # at: bare-right
    return 'audited'


def leak(query):
    """Takes a lock and returns: whoever wants it next waits for nobody."""
    leaked_lock.acquire()
    return 'leaked'


def take_leaked(query):
    arrived('acquire')
    leaked_lock.acquire()  # at: acquire
    return 'taken'


def count_till(query):
    """Sleeps with a lock held: the one root of `pay_after_release`."""
    seconds = float(query.get('seconds', '3600'))
    with till_lock:
        till_taken.set()
        arrived('till')
        time.sleep(seconds)  # at: till
    return 'counted'


def pay_after_release(query):
    """Held one lock a moment ago, waits for another one now: holds nothing."""
    with passing_lock:
        pass
    till_taken.wait()
    arrived('released')
    with till_lock:  # at: released
        return 'paid'


def read_slow_peer(query):
    """Waits in recv nearly all the time, and gets an answer byte by byte."""
    seconds = float(query.get('seconds', '3600'))
    slow, connection = socket.socketpair()
    feeder = threading.Thread(target=feed, args=(slow, seconds))
    feeder.daemon = True
    feeder.start()
    arrived('slow')
    received = 0
    while connection.recv(1):  # at: slow
        received += 1
    return str(received)


def feed(peer, seconds):
    end = time.time() + seconds
    while time.time() < end:
        peer.send(b'.')
        time.sleep(0.05)
    peer.close()


def price_list(query):
    """Honest work of the given length, with pauses."""
    end = time.time() + float(query.get('seconds', '0.2'))
    total = 0
    while time.time() < end:
        total += sum(range(1000))
        time.sleep(0.001)
    return str(total)


def peer_of(query):
    peer = query.get('peer')
    return peer.rsplit(':', 1) if peer else silent_peer.getsockname()


ROUTES = {
    '/health': health,
    '/meet': meet,
    '/busy': recount_stock,
    '/native': match_voucher,
    '/deadlock-stock': reserve_then_charge,
    '/deadlock-cart': charge_then_reserve,
    '/order': place_order,
    '/recv': fetch_price,
    '/sleep': wait_for_restock,
    '/ledger': Ledger().close_month,
    '/bare-left': audit_left,
    '/bare-right': audit_right,
    '/leak': leak,
    '/acquire': take_leaked,
    '/till': count_till,
    '/released': pay_after_release,
    '/slow': read_slow_peer,
    '/prices': price_list,
}


def application(environ, start_response):
    handler = ROUTES.get(environ.get('PATH_INFO', '/'))
    if handler is None:
        return answer(start_response, '404 Not Found', 'no such page')
    return answer(start_response, '200 OK', handler(dict(parse_qsl(environ.get('QUERY_STRING', '')))))


def answer(start_response, status, text):
    body = (text + '\n').encode('ascii')
    start_response(status, [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]

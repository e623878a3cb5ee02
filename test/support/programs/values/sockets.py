"""Threads that are blocked in sockets of every sort; prints which descriptor and which time-out each has, then sleeps."""
import json
import os
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from common import get_ident, identify, loopback_pair  # noqa: E402

try:
    from http.client import HTTPConnection
except ImportError:
    from httplib import HTTPConnection

kept = []
threads = []


def silent_pair():
    client, peer = loopback_pair()
    kept.append(peer)
    return client


def receive(connection):
    connection.recv(10)


def receive_into(connection):
    connection.recv_into(bytearray(10))


def read_line(connection):
    connection.makefile('rb').readline()


def accept(listener):
    listener.accept()


def fill(connection):
    limit = connection.gettimeout()
    connection.setblocking(False)
    try:
        while True:
            connection.send(b'x' * 65536)
    except socket.error:
        connection.settimeout(limit)
    # A byte is sent or not: a call that has sent a part would end when the debugger interrupts it.
    while True:
        connection.send(b'x')


def respond(connection):
    http = HTTPConnection('localhost')
    http.sock = connection
    http.putrequest('GET', '/')
    http.endheaders()
    http.getresponse()


def shake_hands(connection):
    connection.do_handshake()


def secured(timeout):
    context = ssl.create_default_context()
    context.check_hostname = False
    client = silent_pair()
    client.settimeout(timeout)
    return context.wrap_socket(client, do_handshake_on_connect=False)


def start(function, connection, timeout):
    entry = {'function': function.__name__, 'fd': connection.fileno(), 'timeout': timeout}
    threads.append(entry)
    connection.settimeout(timeout)

    def run():
        identify(entry)
        function(connection)

    thread = threading.Thread(target=run)
    thread.daemon = True
    thread.start()


def listener():
    made = socket.socket()
    made.bind(('127.0.0.1', 0))
    made.listen(1)
    return made


threading.stack_size(512 * 1024)
for limit in (None, 4000.5):
    for each in (receive, receive_into, read_line, fill, respond):
        start(each, silent_pair(), limit)
    start(accept, listener(), limit)
    start(shake_hands, secured(limit), limit)

while not all('lwp' in entry for entry in threads):
    time.sleep(0.01)
time.sleep(0.5)
print(json.dumps({'pid': os.getpid(), 'main': get_ident(), 'threads': threads}))
sys.stdout.flush()
time.sleep(3600)

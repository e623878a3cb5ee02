# -*- coding: utf-8 -*-
"""Locals of every sort; prints what each frame has, as `repr` or in words, then sleeps."""

from __future__ import print_function

import collections
import json
import os
import sys
import time

try:
    from urllib.parse import urlsplit
except ImportError:
    from urlparse import urlsplit


class Cart(object):
    def __init__(self, size):
        self.size = size

    def checkout(self, customer, *rest, **options):
        shared = 'in a cell'

        def settle(amount, currency='EUR'):
            seen = [shared, customer]
            tell('settle', locals(), {'amount': '12', 'currency': "'EUR'", 'shared': "'in a cell'",
                                      'customer': "'ann'", 'seen': "list of 2 ['in a cell', 'ann']"},
                 ['amount', 'currency'])
            time.sleep(3600)

        tell('Cart.checkout', locals(), {
            'self': at(self, '__main__.Cart'), 'customer': "'ann'", 'rest': "tuple of 2 (1, 2)",
            'options': "dict of 1 {'gift': True}", 'shared': "'in a cell'", 'settle': '<function %s>' % named(settle),
        }, ['self', 'customer', 'rest', 'options'])
        settle(12)


def named(function):
    """3.11 on keeps qualified names in code."""
    return getattr(function.__code__, 'co_qualname', function.__name__)


def at(value, name):
    return '<%s at 0x%x>' % (name, id(value))


frames = []


def tell(function, found, expected, arguments):
    missing = sorted(set(found) - set(expected))
    if missing:
        raise AssertionError('%s does not say what it has in %r' % (function, missing))
    frames.append({'function': function, 'locals': expected, 'arguments': arguments})
    if function == 'settle':
        print(json.dumps({'pid': os.getpid(), 'lwp': os.getpid(), 'file': os.path.abspath(__file__), 'frames': frames}))
        sys.stdout.flush()


Login = collections.namedtuple('Login', ['user', 'password'])
Pair = collections.namedtuple('Pair', ['left', 'right'])


def numbers(none, yes=True, no=False):
    zero, one, minus = 0, 1, -5
    large, negative = 2 ** 62 + 7, -2 ** 40
    beyond = 2 ** 80
    whole, third, tiny, huge = 1.0, 1.0 / 3, 1.5e-7, -2.5e+20
    edge, many, infinite, nothing = 0.0001, 123456789012345.67, float('inf'), float('nan')
    below = -0.0
    unbound = 1
    del unbound
    found = dict(locals())
    expected = dict((name, repr(value)) for name, value in found.items())
    found['found'] = found['expected'] = 0
    expected['found'] = expected['expected'] = None
    tell('numbers', found, expected, ['none', 'yes', 'no'])
    texts('plain', b'bytes \x00\xff')


def texts(plain, raw):
    quotes = 'it\'s'
    both = 'it\'s "so"'
    lines = 'one\ntwo\tthree\\'
    empty = ''
    accents = u'caf\xe9 \u20ac \U0001f40d'
    long_text = 'abc' * 1000
    exact = 'y' * 80
    expected = dict((name, repr(value)) for name, value in locals().items() if name not in ('accents', 'long_text'))
    prefix = 'u' if sys.version_info[0] == 2 else ''
    expected['accents'] = prefix + u"'caf\xe9 \u20ac \U0001f40d'"
    expected['long_text'] = "'" + ('abc' * 27)[:80] + u"\u2026' (3000 long)"
    expected['prefix'] = repr(prefix)
    found = dict(locals(), found=0)
    expected['expected'] = expected['found'] = None
    tell('texts', found, expected, ['plain', 'raw'])
    containers()


def containers():
    nothing, none, no_items = [], (), {}
    one = [1]
    some = [1, 'two', None, 4.5, 5, 6]
    pair = Pair(1, 2)
    nested = {'rows': [[1, 2], [3]]}
    deep = [[[1, [2]], 3], 4]
    members = set([7])
    ordered = collections.OrderedDict([('a', 1), ('b', 2)])
    big = dict((number, number) for number in range(3000))
    cut = [list(range(10))] * 5
    words = {
        'nothing': 'list of 0', 'none': 'tuple of 0', 'no_items': 'dict of 0',
        'one': 'list of 1 [1]', 'some': u"list of 6 [1, 'two', None, 4.5, \u2026]",
        'pair': '__main__.Pair of 2 (1, 2)',
        'nested': "dict of 1 {'rows': list of 2 [list of 2, list of 1]}",
        'deep': 'list of 2 [list of 2 [list of 2, 3], 4]',
        'members': 'set of 1 {7}',
        # Written in C from 3.5 on.
        'ordered': "collections.OrderedDict of 2 {'a': 1, 'b': 2}",
        'big': None,
        'cut': u'list of 5 [list of 10 [0, 1, 2, \u2026], list of 10 [0, 1, 2, \u2026], '
               u'list of 10 [0, 1, 2, \u2026], list of 10 [0, 1, 2, \u2026], \u2026]',
        'words': None,
    }
    tell('containers', locals(), words, [])
    objects(Cart, os, len, None, *(), keyword=1)


if sys.version_info[0] == 2:
    def objects(kind, module, builtin, nothing, *rest, **keyword):
        cart = Cart(3)
        expected = {
            'kind': '<class __main__.Cart>', 'module': '<module os>', 'builtin': None, 'nothing': 'None',
            'rest': 'tuple of 0', 'keyword': "dict of 1 {'keyword': 1}", 'cart': at(cart, '__main__.Cart'),
        }
        tell('objects', dict(locals(), expected=0), dict(expected, expected=None),
             ['kind', 'module', 'builtin', 'nothing', 'rest', 'keyword'])
        cart.checkout('ann', 1, 2, gift=True)
else:
    exec('''
def objects(kind, module, builtin, nothing, *rest, keyword):
    cart = Cart(3)
    expected = {
        'kind': '<class __main__.Cart>', 'module': '<module os>', 'builtin': None, 'nothing': 'None',
        'rest': 'tuple of 0', 'keyword': '1', 'cart': at(cart, '__main__.Cart'),
    }
    tell('objects', dict(locals(), expected=0), dict(expected, expected=None),
         ['kind', 'module', 'builtin', 'nothing', 'rest', 'keyword'])
    cart.checkout('ann', 1, 2, gift=True)
''')

def secrets(password, api_key, url, **headers):
    """Nothing that has the word canary in it may be shown; of each value the part that is none."""
    apiToken = b'canary'
    session = Cart('canary')
    database = 'postgres://shop:canary/c@nary@db.example/shop?canary=1'
    endless = 'redis://:' + 'canary' * 1000 + '@cache.example/0'
    settings = {'user': 'ann', 'DB_PASSWORD': 'canary'}
    nested = {'settings': {'secret-key': 'canary', 'debug': True}}
    pairs = [('Host', 'shop.example'), ('Cookie', 'id=canary'), (b'authorization', b'Basic canary==')]
    command = ['mysql', '-u', 'shop', '--password', 'canary']
    line = 'mysql -u shop --password canary --host db'
    form = 'user=ann&passwd=canary&x=1'
    body = '{"user": "ann", "client_secret": "canary"}'
    header = 'GET / HTTP/1.1\r\nAuthorization: Bearer canary\r\n'
    page = '/orders?card=canary'
    key = '-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----'
    environ = {'QUERY_STRING': 'card=canary', 'REQUEST_METHOD': 'GET'}
    credentials = ('ann', 'canary')
    login = Login('ann', 'canary')
    parsed = urlsplit('https://ann:canary@shop.example/pay?card=canary')

    def shared():
        return session, credentials

    splits = urlsplit.__module__
    prefix = '' if sys.version_info[0] == 2 else 'b'
    words = {
        'password': '***', 'api_key': '***', 'apiToken': '***', 'session': '***', 'credentials': '***', 'key': "'***'",
        'url': "'amqp://shop:***@mq.example'",
        'headers': "dict of 1 {'cookie': ***}",
        'database': "'postgres://shop:***@db.example/shop?***'",
        'endless': u"'redis://:***@\u2026' (%d long)" % len(endless),
        'settings': None, 'environ': None,
        'nested': None,
        'pairs': "list of 3 [tuple of 2 ('Host', 'shop.example'), tuple of 2 ('Cookie', ***), "
                 "tuple of 2 (" + prefix + "'authorization', ***)]",
        'command': u"list of 5 ['mysql', '-u', 'shop', '--password', \u2026]",
        'line': "'mysql -u shop --password ***'",
        'form': "'user=ann&passwd=***'",
        'body': "'{\"user\": \"ann\", \"client_secret\":***'",
        'header': "'GET / HTTP/1.1\\r\\nAuthorization:***\\n'",
        'page': "'/orders?***'",
        'login': '__main__.Login of 2 (\'ann\', ***)',
        'parsed': splits + u".SplitResult of 5 ('https', 'ann:***@shop.example', '/pay', ***, \u2026)",
        'shared': '<function %s>' % named(shared), 'splits': None, 'prefix': None, 'words': None,
    }
    tell('secrets', locals(), words, ['password', 'api_key', 'url', 'headers'])
    numbers(None)


secrets('canary', u'canary', 'amqp://shop:canary@mq.example', cookie='canary')

"""A server of the framework that is named; each request hangs in `pay`, which hands it to a thread that hangs in `audit`."""
import json
import os
import sys
import threading
import time

framework = os.environ['FRAMEWORK']
port = int(os.environ['PORT'])


def say(**what):
    print(json.dumps(what))
    sys.stdout.flush()


def audit(request):
    say(audits=True)
    time.sleep(3600)


def pay(request):
    hand_over(request)
    say(serves=True)
    time.sleep(3600)


def hand_over(request):
    thread = threading.Thread(target=audit, args=(request,))
    thread.daemon = True
    thread.start()
    time.sleep(0.3)


def serve_wsgi(application):
    from wsgiref.simple_server import make_server
    server = make_server('127.0.0.1', port, application)
    say(listens=True)
    server.serve_forever()


def configure_django(view):
    import django
    from django.conf import settings
    settings.configure(ROOT_URLCONF='__main__', ALLOWED_HOSTS=['*'], SECRET_KEY='k', INSTALLED_APPS=[])
    django.setup()
    try:
        from django.urls import re_path
    except ImportError:
        from django.conf.urls import url as re_path
    globals()['urlpatterns'] = [re_path('^shop/orders/$', view)]


def django_wsgi():
    configure_django(pay)
    from django.core.wsgi import get_wsgi_application
    serve_wsgi(get_wsgi_application())


def flask():
    import flask
    application = flask.Flask('shop')
    application.add_url_rule('/shop/orders/', 'pay', lambda: pay(flask.request._get_current_object()))
    say(listens=True)
    application.run(port=port, threaded=True)


def bottle():
    import bottle
    application = bottle.Bottle()
    application.route('/shop/orders/', callback=lambda: pay(bottle.request.copy()))
    serve_wsgi(application)


def falcon():
    import falcon

    class Orders(object):
        def on_get(self, req, resp):
            pay(req)

    application = falcon.App()
    application.add_route('/shop/orders/', Orders())
    serve_wsgi(application)


def http_server():
    try:
        from http.server import BaseHTTPRequestHandler, HTTPServer
    except ImportError:
        from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer

    class Orders(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self):
            if self.path.startswith('/shop'):
                pay(self)
            self.send_response(200)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(('127.0.0.1', port), Orders)
    say(listens=True)
    server.serve_forever()


if framework in globals():
    globals()[framework]()
else:
    # Not to be read by 2.7.
    import web_async
    web_async.start(framework, port, sys.modules['__main__'])

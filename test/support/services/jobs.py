"""A Celery application without any work: its broker is in its own memory."""

from celery import Celery

app = Celery('jobs', broker='memory://')
app.conf.broker_connection_retry_on_startup = True

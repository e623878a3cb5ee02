"""Libraries with threads of their own, none of which has anything to do. Says when all of them run."""

import logging
import signal
import sys
import tempfile

import sentry_sdk
from apscheduler.schedulers.background import BackgroundScheduler
from concurrent.futures import ThreadPoolExecutor
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

scheduler = BackgroundScheduler()
scheduler.add_job(print, 'interval', hours=1)
scheduler.start()

observer = Observer()
observer.schedule(FileSystemEventHandler(), tempfile.mkdtemp(dir='.'))
observer.start()

# Nobody listens there.
sentry_sdk.init('http://key@127.0.0.1:9/1', traces_sample_rate=1.0, auto_session_tracking=True)
logging.getLogger('shop').error('the till does not open')

pool = ThreadPoolExecutor(2)
pool.submit(int).result()

sys.stderr.write('ready\n')
signal.pause()

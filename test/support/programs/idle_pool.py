"""A pool of threads without work: concurrent.futures, on 2.7 the thread pool of multiprocessing. NEVER: any"""
from common import park

try:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max_workers=4)
    assert sorted(pool.map(abs, range(-8, 0))) == list(range(1, 9))
except ImportError:
    from multiprocessing.pool import ThreadPool

    pool = ThreadPool(4)
    assert sorted(pool.map(abs, range(-8, 0))) == list(range(1, 9))

park()

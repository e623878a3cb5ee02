"""All workers of a pool but one wait for a result that another thread brings in its own time: the last one still works
off what is handed in. NEVER: pool-exhausted, wait-notify. SINCE: 3.6"""
from concurrent import futures

from common import await_members, join_in, park

pool = futures.ThreadPoolExecutor(max_workers=3)
answer = futures.Future()


def show_answer():
    join_in(show_answer)
    return answer.result()  # IDLE x2


for _ in range(2):
    pool.submit(show_answer)
await_members(2)
assert list(pool.map(abs, [-1, -2])) == [1, 2]
park()

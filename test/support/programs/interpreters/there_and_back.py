"""Code of a second interpreter calls back into the first one, which waits: the two states' frames alternate on one stack."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def render():
    from elsewhere import back

    back("there_and_back", "load_user")


def load_user():
    time.sleep(3600)  # HANG: sleep


if __name__ == "__main__":
    from common import park, start
    from elsewhere import nested, wait_for_arrivals

    def load_user_by_render():
        nested("there_and_back", "render")  # which ends in load_user()

    start(load_user_by_render)
    wait_for_arrivals()
    park()

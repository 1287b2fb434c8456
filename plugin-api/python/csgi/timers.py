"""One thread for all timers, started when the first one is set."""

import heapq
import itertools
import threading
import time


class Timers:
    def __init__(self):
        self._due = []  # (when, number, action); the number keeps actions from being compared
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._thread = None

    def after(self, seconds, action):
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), action))
            # Also after a fork, where the thread is gone.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="csgi timers", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self):
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    wait = self._due[0][0] - time.monotonic() if self._due else None
                    self._changed.wait(wait)
                _, _, action = heapq.heappop(self._due)
            action()

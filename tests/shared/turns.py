"""A service that runs for a few turns."""

import threading


class Turns(threading.Event):
    """Stops the loop after so many looks at it, or when somebody sets it."""

    def __init__(self, turns):
        super().__init__()
        self.left = turns

    def is_set(self):
        self.left -= 1
        return self.left < 0 or super().is_set()

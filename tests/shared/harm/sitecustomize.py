"""Harm to a Python process that is started with this folder on its path, at a call of the Kafka client.

HARM says which: `before flush 2 SIGKILL` is the signal that it sends itself before its second flush.
"""

import os
import signal
import sys
import threading


def send(number):
    """Send this thread a signal that stops all; sent to the process, this thread may go on for milliseconds."""
    signal.pthread_kill(threading.get_ident(), number)


def harm(moment, step, number, name):
    from kafka import KafkaProducer

    method, calls = getattr(KafkaProducer, step), iter(range(1, sys.maxsize))

    def harmed(*arguments, **keywords):
        now = next(calls) == int(number)
        if now and moment == "before":
            send(signal.Signals[name])
        result = method(*arguments, **keywords)
        if now and moment == "after":
            send(signal.Signals[name])
        return result

    setattr(KafkaProducer, step, harmed)


if "HARM" in os.environ:
    harm(*os.environ["HARM"].split())

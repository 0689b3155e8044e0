"""What can happen: verbs of scripts, each a function of the stage and of the words after the verb."""

import json
import signal

from models.messages import TOPICS
from models.records import Outgoing
from service.reading import read_topic

POISON = (
    b"", b"\xc1", b"\x81\xa2id", b"{", b"[]", b'{"id": 7}', b'{"id": "", "title": ""}', b"\xff" * 2_000, b"[" * 5_000,
    b'{"id": "poison", "title": "x", "price": 1e999}', b"{}", b"\x80", b"\x81\xa2id\xc0",
)  # fmt: skip


def start(stage, name):
    if name == "broker":
        stage.broker.start()
        stage.broken = False
    else:
        stage.start(name)


def stop(stage, name):
    code = stage.stop(name)
    assert code == 0, f"{name} was asked to end and ended with {code}: {stage.told(name)}"


def kill(stage, name):
    if name == "broker":
        stage.broken = True
        stage.signal(name, signal.SIGKILL)
        stage.broker.stop()
    else:
        stage.kill(name)


def restart(stage, name):
    """Kill it and start it at once; `any` is any process of ours."""
    name = stage.rng.choice(sorted(stage.alive)) if name == "any" else name
    stage.kill(name)
    stage.start(name)


def pause(stage, name):
    stage.broken = stage.broken or name == "broker"
    stage.signal(name, signal.SIGSTOP)
    stage.paused.add(name)


def wake(stage, name):
    stage.signal(name, signal.SIGCONT)
    stage.paused.discard(name)
    stage.broken = stage.broken and name != "broker"


def flow(stage, count):
    stage.flow(int(count))


def moved(stage, name):
    """Wait until much more is sent, and all of it scored, though this scorer does nothing: the others have its part."""
    wanted = stage.sent + 60
    stage.until("the feed to go on", lambda: stage.sent >= wanted)
    stage.until(f"the others to take over from {name}", lambda: stage.seen["predictions"] >= wanted)


def poison(stage, topic):
    """Put there what no program of ours would write."""
    records = [Outgoing(topic, b"poison", value) for value in POISON]
    if topic in ("products", "labels"):
        records.append(Outgoing(topic, b"poison", None))
    odd = {name: json.dumps({"query": "nobody's", "annotator": "poison", "answers": {}}).encode() for name in TOPICS}
    if topic == "labels":
        records.append(Outgoing(topic, b"poison", odd[topic]))
    stage.publish(records)


def repeat(stage, topic):
    """Send everything on a topic again, in another order."""
    records = [Outgoing(topic, one.key, one.value) for one in read_topic(stage.reach.read, topic)]
    stage.rng.shuffle(records)
    stage.publish(records)


VERBS = {
    function.__name__: function for function in (start, stop, kill, restart, pause, wake, flow, moved, poison, repeat)
}

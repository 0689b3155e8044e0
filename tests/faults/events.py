"""What can happen: verbs of scripts, each a function of the stage and of the words after the verb."""

import signal

from faults.harm import bar, clear, delete, early, fill, orphan, partitions, poison, repeat, truncate

CLOCKS = {"on": signal.SIGUSR1, "back": signal.SIGUSR2}  # as `nursery` hears them


def start(stage, name):
    if name == "broker":
        stage.broker.start()
        stage.broken = False
    else:
        stage.start(name)


def stop(stage, name):
    """Ask it to end, and wait until it has, in peace."""
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


def stand(stage, name, number):
    """Kill it, start it, and wait until it stands still, having sent all of its Nth transaction but the end."""
    stage.kill(name)
    stage.start(name, stands_at=int(number))
    stage.until(f"{name} to stand in a transaction", lambda: stage.stands(name))
    pause(stage, name)


def clock(stage, name, way):
    """Let its clock jump: a day on, or two days back."""
    stage.signal(name, CLOCKS[way])


def flow(stage, count):
    stage.flow(int(count))


def ready(stage, name):
    stage.until(f"{name} to serve", lambda: stage.ready(name) is not None)


def scored(stage):
    """Let the feed rest until all that was sent is scored."""
    stage.flowing = False
    stage.until("all that was sent to be scored", lambda: stage.seen["predictions"] >= stage.sent)
    stage.flowing = True


def moved(stage, name):
    """Wait until much more is sent, and all of it scored, though this scorer does nothing: the others have its part."""
    wanted = stage.sent + 60
    stage.until(f"the feed to go on without {name}", lambda: stage.sent >= wanted)
    scored(stage)


def says(stage, name, event):
    """Wait until it has logged an event since it was started."""
    stage.until(f"{name} to say {event}", lambda: any(line.get("event") == event for line in stage.lines(name)))


def doubts(stage, name):
    """Wait until it gives its log up: it says so since it was started, or ends by itself now, as it may."""
    before = stage.ended[name]
    stage.until(
        f"{name} to give up its log",
        lambda: stage.ended[name] > before or any(line.get("event") == "log_failed" for line in stage.lines(name)),
    )


def ended(stage, name, *words):
    """Wait until it has ended by itself, with a word about this."""
    about = " ".join(words)
    stage.until(f"{name} to end, speaking of {about!r}", lambda: about in stage.last_words.get(name, ""))


VERBS = {
    function.__name__: function
    for function in (
        start, stop, kill, restart, pause, wake, stand, clock, flow, ready, scored, moved, says, doubts, ended,
        bar, clear, delete, early, fill, orphan, partitions, poison, repeat, truncate,
    )
}  # fmt: skip

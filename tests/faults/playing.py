"""Playing a script, and judging what it left behind."""

from dataclasses import dataclass

from faults.events import VERBS, start, wake
from faults.stage import Stage
from verdict import judge


@dataclass(frozen=True)
class Played:
    """What came of a script."""

    script: str
    seed: int
    kills: int
    ended: dict[str, int]  # processes that ended by themselves, as they may, and how often
    verdict: object


def play(script, folder, broker, *, prefix, seed, tell=lambda _: None, **made_with):
    """Play a script to its end and judge it.

    Raises:
        Broken: something did not come about within the limit, or a process ended that should not have.

    """
    stage = Stage(folder, broker, prefix=prefix, scorers=script.scorers, seed=seed, may_end=script.ends, **made_with)
    try:
        for name in list(stage.names):
            stage.start(name)
        for event in script.events:
            stage.rest(event.after)
            tell(" ".join(event.words))
            VERBS[event.words[0]](stage, *event.words[1:])
        tell("settling")
        settle(stage)
        tell("judging")
        verdict = judge(stage.settings, [one.id for one in stage.products[: stage.sent]])
    finally:
        stage.close()
    return Played(script.name, seed, script.kills, dict(stage.ended), verdict)


def settle(stage):
    """Bring everybody back, wait until all is scored, answered, learnt and served, and end in peace."""
    for name in list(stage.paused):
        wake(stage, name)
    if stage.broken:
        start(stage, "broker")
    for name in stage.names:
        if name not in stage.alive:
            stage.start(name)
    stage.flow(20)
    stage.flowing = False
    stage.until("all to be scored", lambda: stage.seen["predictions"] >= stage.sent)
    stage.until("all to be answered and learnt", lambda: _learnt(stage))
    stage.until("all to serve the learner's model", lambda: _serve_the_same(stage))
    for name in ("crowd", *(name for name in stage.names if name.startswith("scorer")), "learner"):
        VERBS["stop"](stage, name)


def _learnt(stage):
    learnt = stage.learnt()
    if learnt is None:
        return False
    balance, labels, _ = learnt
    settled = (balance["issued"], balance["open"]) == (stage.seen["asked"], 0)
    return settled and labels + stage.seen["rejected labels"] == stage.seen["labels"]


def _serve_the_same(stage):
    newest = stage.learnt()[2]
    return {stage.ready(name) for name in stage.alive if name != "crowd"} == {newest}

"""A model that learns only from answers since a change, beside the one that goes on, promoted as the service does it.

Both learn from the same answers, those that the one that serves asks for.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from drift_steps import BATCH, LASTS, SHARE, asked, drawn, tell
from drift_streams import Stream

from models.chance import Budget, combine, floor_for
from models.contrast import Contrast, better, difference, losses, per_arrival
from models.evaluation import macro_average_precision
from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.policies import POLICIES
from models.snapshot import Snapshot
from models.view import View
from models.watched import Yardstick
from service.ledger import Ledger
from service.report import ALPHA

MARKS: Final = (1_000, 2_000, 3_000, 4_000)  # arrivals after the change at which quality is measured
POLICY: Final = "iwal-novel"
FACTOR: Final = 2.0  # on the share asked about, after an alarm


@dataclass
class Rival:
    """The model that forgets, and how it does beside the other."""

    learner: Learner
    contrast: Contrast = field(default_factory=Contrast)
    answers: int | None = None  # on which it was compared when it was promoted

    def meet(self, lessons: list[Lesson], other: Snapshot, floor: float) -> None:
        """Be compared on answers, until promoted, and then learn from them."""
        if self.answers is None:
            targets = np.stack([lesson.targets for lesson in lessons])
            features = featurise([lesson.product for lesson in lessons], bits=20)
            ours, theirs = (losses(one.scores(one.members(features)), targets) for one in (self.snapshot(), other))
            weights = np.array([1.0 / float(lesson.chance[0]) for lesson in lessons])
            self.contrast = self.contrast.plus(difference(ours, theirs), weights, floor)
            self.answers = self.contrast.answers if better(self.contrast, ALPHA) else None
        self.learner.update(self.learner.version + 1, lessons)

    def snapshot(self) -> Snapshot:
        return self.learner.snapshot()


def forgetting(stream: Stream, seed: int, *, known: bool) -> str:
    """One line about a stream: begun by an alarm, or at the change where that is `known`."""
    goes_on, rival, scale = Learner(stream.outputs, LearnerSettings(), seed=seed), None, None
    policy, exam, serving = POLICIES[POLICY], featurise(stream.held, bits=20), goes_on.snapshot()
    yardstick, alarm, promoted, reached = Yardstick.of(serving), "", "", []
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        for first in range(0, stream.change + MARKS[-1] + BATCH, BATCH):
            if rival is not None and len(reached) < len(MARKS) and first >= stream.change + MARKS[len(reached)]:
                told = [one.scores(one.members(exam)) for one in (goes_on.snapshot(), rival.snapshot())]
                reached.append(" / ".join(f"{macro_average_precision(scores, stream.truth):.3f}" for scores in told))
            batch = range(first, first + BATCH)
            view = View.of(featurise([stream.products[i] for i in batch], bits=20), serving)
            alarms = tell(ledger, yardstick, view, batch, yardstick.snapshot.version)
            share = SHARE * (FACTOR if ledger.drift.alert() else 1.0)
            budget = Budget(share=share, floor=floor_for(share), scale=scale)
            chances, scale = budget.chances_for(combine(policy.disagreement(view))).product, budget.scale
            lessons, theirs = asked(stream, batch, chances, seed), goes_on.snapshot()
            alarms += audited(ledger, stream, batch, lessons, serving, budget.floor, seed)
            if alarms and first >= stream.change and not alarm:
                alarm = f"after {alarms[0][0] - stream.change:,} ({alarms[0][1]})"
            if rival is None and first + BATCH > stream.change and (known or alarm):
                rival = Rival(Learner(stream.outputs, LearnerSettings(), seed=seed))
            elif rival is not None and lessons:
                rival.meet(lessons, theirs, budget.floor)
            if rival is not None and rival.answers is not None and not promoted:
                promoted = f"after {rival.answers:,} answers, {batch.stop - stream.change:,} products"
            if lessons:
                goes_on.update(goes_on.version + 1, lessons)
            serving = goes_on.snapshot() if rival is None or rival.answers is None else rival.snapshot()
            if ledger.drift.alert() or yardstick.worn(serving):
                yardstick = Yardstick.of(serving)
        ledger.close()
    between = None if rival is None else per_arrival(rival.contrast, ALPHA)
    shown = "" if between is None else f"{between.estimate:+.3f} ({between.lower:+.3f} to {between.upper:+.3f})"
    begun = f"by hand at 0{alarm and '; alarm ' + alarm}" if known else alarm or "never"
    seen = 0 if rival is None else rival.contrast.answers
    return "| " + " | ".join([stream.name, str(seed), begun, promoted or f"no, of {seen:,}", shown, *reached]) + " |"


def audited(
    ledger: Ledger, stream: Stream, batch: range, lessons: list[Lesson], serving: Snapshot, floor: float, seed: int
) -> list[tuple[int, str]]:
    """Tell of mistakes in what the uniform sample says; an alarm as of `tell`."""
    uniform = {stream.products[i].id for i in batch if drawn(stream, i, seed) < floor}
    found: list[tuple[int, str]] = []
    for lesson in (lesson for lesson in lessons if lesson.product.id in uniform):
        scores = serving.scores(serving.members(featurise([lesson.product], bits=20)))[0]
        wrong = bool(np.any((scores >= serving.thresholds) != (lesson.targets > 0.5)))
        with ledger.transaction():
            change = ledger.drift.audited(wrong=wrong, at=1e9)
            if change is not None:
                ledger.drift.react(change, arrivals=LASTS, batch=None, keep=0)
                found.append((batch.stop, change.signal))
    return found

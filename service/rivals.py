"""Models that learn beside the one that serves, and are compared with it, or with each other, on every answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.arms import SAMPLES, Arm
from models.contrast import Contrast, better, difference, losses, whole_chance
from models.joining import as_targets
from models.messages import Product
from models.port import Learning
from service.batches import Batch
from service.challenges import Challenge, Kind, Outcome
from service.checkpoints import catch_up, fingerprint, resume
from service.encoders import Encoders, Kept
from service.kinds import new_learner
from service.ledger import Ledger
from service.newcomers import Newcomer
from service.recipes import Choice, Recipe
from service.report import ALPHA
from service.teaching import apply

ARMS: Final[Mapping[Kind, tuple[Arm, ...]]] = {Kind.CANDIDATE: (Arm.ALL,), Kind.SAVINGS: SAMPLES}
# Which are compared, the first minus the second; None is the model that serves.
PAIRS: Final[Mapping[Kind, tuple[tuple[Arm, Arm | None], ...]]] = {
    Kind.CANDIDATE: ((Arm.ALL, None),),
    Kind.SAVINGS: ((Arm.CHOSEN, Arm.UNIFORM), (Arm.HALF, Arm.CHOSEN)),
}


class Answers(NamedTuple):
    """Answers that no model has seen, about everything that was asked."""

    products: list[Product]
    targets: NDArray[np.float32]  # (n, K); NaN is missing
    weights: NDArray[np.float64]  # (n,) 1/p of the whole product
    floor: float  # the least chance any arrival had


@dataclass(slots=True, kw_only=True)
class Rivals:
    """Learners of the challenges that run; one thread owns it.

    What they are follows from the ledger: each has learnt its arm's part of the same batches.
    """

    configured: Recipe  # of the model the configuration asks for
    directory: Path  # of the checkpoints
    device: str
    encoders: Encoders
    recipes: dict[int, Recipe] = field(default_factory=dict)  # by number of the challenge
    learners: dict[int, dict[Arm, Learning]] = field(default_factory=dict)

    def settle(self, ledger: Ledger) -> Iterator[int]:
        """Have the learners of the challenges that run and no others; yields the batches they caught up with.

        They catch up here only where the comparison has begun, so that it goes on with the next batch without a gap.
        """
        running = {challenge.number: challenge for challenge in ledger.challenges.running()}
        for number in self.learners.keys() - running.keys():
            del self.learners[number], self.recipes[number]
        for number, challenge in running.items():
            if number not in self.learners:
                self.recipes[number] = challenge.recipe
                self.learners[number] = {
                    arm: self.resumed(ledger, challenge.recipe, arm) for arm in ARMS[challenge.kind]
                }
            if challenge.first is not None:
                yield from self.catch_up(ledger, number)

    def resumed(self, ledger: Ledger, recipe: Recipe, arm: Arm = Arm.ALL) -> Learning:
        """A learner as its newest checkpoint has it, or new-born."""
        return resume(
            self.directory,
            ledger,
            fingerprint(*recipe, arm),
            make=self.maker(ledger, recipe),
        )[0]

    def digests(self, number: int) -> tuple[str, ...]:
        """Digests of the learners of a challenge, in the order of its arms."""
        return tuple(learner.digest() for learner in self.learners[number].values())

    def anew(self, ledger: Ledger, challenge: Challenge) -> tuple[tuple[str, ...], tuple[Contrast, ...]]:
        """Digests and sums of a challenge that runs, as they follow from the ledger alone: all is learnt again."""
        names = ledger.batches.outputs(until=0)
        serving = self.maker(ledger, challenge.against)(names)
        arms = {arm: self.maker(ledger, challenge.recipe)(names) for arm in ARMS[challenge.kind]}
        begun = challenge._replace(contrasts=())
        for batch in ledger.batches.after(0):
            if challenge.first is not None and batch.number >= challenge.first:
                answers = unseen(batch, ledger.challenges.first_taught(batch.number), serving.outputs)
                if answers is not None:
                    begun = begun._replace(contrasts=contrasts_after(begun, arms, serving, answers))
            apply(batch, serving)
            for arm, learner in arms.items():
                apply(batch, learner, arm)
        return tuple(learner.digest() for learner in arms.values()), begun.contrasts

    def maker(self, ledger: Ledger, recipe: Recipe) -> Callable[[tuple[str, ...]], Learning]:
        """How a learner of a recipe is born."""
        encoder = Kept(self.encoders.of(recipe.settings.encoder), ledger)

        def born(outputs: tuple[str, ...]) -> Learning:
            learner = new_learner(outputs, recipe.settings, seed=recipe.seed, device=self.device, encoder=encoder)
            return Newcomer(learner, recipe.since) if recipe.since else learner

        return born

    def catch_up(self, ledger: Ledger, number: int | None = None) -> Iterator[int]:
        """Let learners take the batches they lack, one at a time; yields the number of each."""
        for one, arms in self.learners.items():
            for arm, learner in arms.items() if number in (None, one) else ():
                yield from catch_up(learner, ledger, arm)

    def hurry(self, ledger: Ledger, *, until: float, clock: Callable[[], float]) -> None:
        """Catch up as far as it goes by the time `until`, by the clock's seconds."""
        for _ in self.catch_up(ledger):
            if clock() >= until:
                return

    def confront(self, batch: Batch, serving: Learning, ledger: Ledger, now: float) -> bool:
        """Compare on the answers of a batch no model has learnt from yet; say whether a candidate is promoted.

        Belongs inside the transaction that writes the batch: sums, promotion and the new epoch are facts in the ledger
        together with the answers they come from.
        """
        if not self.learners:
            return False
        answers = unseen(batch, ledger.challenges.first_taught(batch.number), serving.outputs)
        if answers is None:
            return False
        promoted = False
        for challenge in ledger.challenges.running():
            contrasts = self._compared(challenge, serving, answers)
            if contrasts:
                ledger.challenges.compared(challenge.number, batch.number, contrasts)
            if contrasts and challenge.kind is Kind.CANDIDATE and better(contrasts[0], ALPHA):
                ledger.challenges.end(challenge.number, Outcome.PROMOTED, batch.number)
                ledger.challenges.choose(Choice(batch.number, challenge.recipe, self.configured, now))
                ledger.evidence.open_epoch(serving.outputs, "model promoted", now)
                promoted = True
        return promoted

    def learn(self, batch: Batch) -> None:
        """Let all learners that have come so far take a batch; the others catch up."""
        for arms in self.learners.values():
            for arm, learner in arms.items():
                if learner.version == batch.number - 1:
                    apply(batch, learner, arm)

    def names(self) -> dict[str, Learning]:
        """The learners by the fingerprint of what they are made by."""
        return {
            fingerprint(*self.recipes[number], arm): learner
            for number, arms in self.learners.items()
            for arm, learner in arms.items()
        }

    def _compared(self, challenge: Challenge, serving: Learning, answers: Answers) -> tuple[Contrast, ...]:
        arms = self.learners.get(challenge.number, {})
        if not arms or any(learner.version != serving.version for learner in arms.values()):
            return ()
        return contrasts_after(challenge, arms, serving, answers)


def contrasts_after(
    challenge: Challenge, arms: Mapping[Arm, Learning], serving: Learning, answers: Answers
) -> tuple[Contrast, ...]:
    """The sums of a challenge with these answers added."""
    pairs = PAIRS[challenge.kind]
    lost = {
        one: _losses(serving if one is None else arms[one], answers)
        for one in dict.fromkeys(one for pair in pairs for one in pair)
    }
    before = challenge.contrasts or tuple(Contrast() for _ in pairs)
    return tuple(
        contrast.plus(difference(lost[first], lost[second]), answers.weights, answers.floor)
        for contrast, (first, second) in zip(before, pairs, strict=True)
    )


def unseen(batch: Batch, fresh: frozenset[str], outputs: tuple[str, ...]) -> Answers | None:
    """The answers of a batch that count in comparisons; None if there are none."""
    products, targets, weights, floors = [], [], [], []
    for query, shares in batch.lessons:
        chance = whole_chance(query, outputs) if query.id in fresh else None
        if chance is not None and any(output in shares for output in outputs):
            products.append(query.product)
            targets.append(as_targets(shares, outputs))
            weights.append(1.0 / chance)
            floors.append(min(query.because.floor, chance))
    if not products:
        return None
    return Answers(products, np.stack(targets), np.array(weights), min(floors))


def _losses(learner: Learning, answers: Answers) -> NDArray[np.float64]:
    snapshot = learner.snapshot()
    return losses(snapshot.scores(snapshot.members(learner.read(answers.products))), answers.targets)

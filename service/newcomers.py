"""A learner that comes in late: answers from before teach it nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.features import Features
from models.lessons import Lesson, Progress
from models.messages import Product
from models.port import Learning, Serving
from models.state import State


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A `Learning` to whom the lessons of batches before `since` are not given; all else is as `learner` has it.

    Its state is that of the learner, so both are restored alike.
    """

    learner: Learning
    since: int

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.learner.outputs

    @property
    def version(self) -> int:
        return self.learner.version

    def update(self, number: int, lessons: Sequence[Lesson]) -> Progress:
        return self.learner.update(number, lessons if number >= self.since else ())

    def read(self, products: Sequence[Product]) -> Features:
        return self.learner.read(products)

    def change_outputs(self, number: int, outputs: Sequence[str]) -> None:
        self.learner.change_outputs(number, outputs)

    def recalibrate(self, number: int, keep: int) -> None:
        self.learner.recalibrate(number, keep)

    def snapshot(self) -> Serving:
        return self.learner.snapshot()

    def state(self) -> State:
        return self.learner.state()

    def restore(self, state: State) -> None:
        self.learner.restore(state)

    def digest(self) -> str:
        return self.learner.digest()

"""How a learner takes a batch of the ledger."""

from models.arms import Arm, lesson_for
from models.port import Learning
from service.batches import Batch


def apply(batch: Batch, learner: Learning, arm: Arm = Arm.ALL) -> int:
    """Let the model take one batch of the ledger, or its arm's part of it; return the optimiser steps it took.

    The one way in which a model changes: the live step, a restart and a rebuild all come through here.
    """
    if batch.outputs is not None:
        learner.change_outputs(batch.number, batch.outputs)
        return 0
    if batch.keep is not None:
        learner.recalibrate(batch.number, batch.keep)
        return 0
    lessons = (lesson_for(arm, query, shares, learner.outputs) for query, shares in batch.lessons)
    return learner.update(batch.number, [lesson for lesson in lessons if lesson is not None]).steps

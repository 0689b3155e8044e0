from dataclasses import replace

import numpy as np
import pytest
import torch

from models.features import featurise
from models.learner import Learner, LearnerSettings, Lesson
from models.messages import Product

OUTPUTS = ("red", "shoe", "hat")
SMALL = LearnerSettings(bits=12, width=8, sketch=8, hidden=16, members=4, memory=24, memory_positives=4, batch=16)
WORDS = ("red", "shoe", "hat", "blue", "big", "small", "old", "new")


def product(number: int) -> Product:
    words = [word for place, word in enumerate(WORDS) if (number * 2654435761 >> (7 + place)) & 1]
    return Product(id=str(number), title=" ".join([*words, f"item{number}"]))


def lesson(number: int, query: str | None = None, chance: float = 0.5) -> Lesson:
    item = product(number)
    targets = np.array([word in item.title.split() for word in OUTPUTS], np.float32)
    return Lesson(query=query or f"q{number}", product=item, targets=targets, chance=np.full(3, chance, np.float32))


def withdrawn(query: str) -> Lesson:
    nothing = np.full(3, np.nan, np.float32)
    return Lesson(query=query, product=product(0), targets=nothing, chance=np.ones(3, np.float32))


def taught(batches: int, settings: LearnerSettings = SMALL, seed: int = 1, size: int = 5) -> Learner:
    learner = Learner(OUTPUTS, settings, seed=seed)
    for number in range(1, batches + 1):
        learner.update(number, [lesson(number * size + i) for i in range(size)])
    return learner


def scores(learner: Learner, numbers=range(1000, 1020)) -> np.ndarray:
    features = featurise([product(number) for number in numbers], bits=learner.settings.bits)
    return learner.snapshot().members(features).mean(axis=2)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_restored_learner_goes_on_bit_for_bit_like_one_that_never_stopped():
    whole = taught(12)
    stopped = taught(7)
    state = {name: value.clone() for name, value in stopped.state().items()}
    resumed = Learner(OUTPUTS, SMALL, seed=1)
    resumed.restore(state)
    for number in range(8, 13):
        resumed.update(number, [lesson(number * 5 + i) for i in range(5)])

    assert resumed.digest() == whole.digest()
    assert np.array_equal(scores(resumed), scores(whole))


def test_a_restored_learner_survives_full_tables_corrections_and_withdrawals():
    settings = replace(SMALL, steps_per_lesson=0.1, table_megabytes=0, memory=10)
    whole, resumed = Learner(OUTPUTS, settings, seed=2), Learner(OUTPUTS, settings, seed=2)
    for number in range(1, 25):
        lessons = [lesson(number * 30 + i) for i in range(30)]
        lessons += [withdrawn(f"q{number * 30 - 3}"), lesson(7, query=f"q{number * 30 - 5}")]
        whole.update(number, lessons)
        fresh = Learner(OUTPUTS, settings, seed=2)
        fresh.restore(resumed.state())
        fresh.update(number, lessons)
        resumed = fresh

    assert resumed.digest() == whole.digest()


def test_taking_snapshots_changes_nothing_about_learning():
    watched = Learner(OUTPUTS, SMALL, seed=1)
    for number in range(1, 6):
        watched.update(number, [lesson(number * 5 + i) for i in range(5)])
        watched.snapshot()

    assert watched.digest() == taught(5).digest()


def test_a_snapshot_never_changes_while_learning_goes_on():
    settings = replace(SMALL, steps_per_lesson=0.1, table_megabytes=0)  # so few rows that they change hands
    learner = taught(3, settings)
    snapshot = learner.snapshot()
    features = featurise([product(number) for number in range(40)], bits=settings.bits)
    before = snapshot.members(features)
    for number in range(4, 25):
        learner.update(number, [lesson(number * 30 + i) for i in range(30)])
        learner.snapshot()

    assert np.array_equal(snapshot.members(features), before)


def test_a_snapshot_after_many_is_the_same_as_the_first_one_taken():
    followed = Learner(OUTPUTS, SMALL, seed=1)
    for number in range(1, 9):
        followed.update(number, [lesson(number * 5 + i) for i in range(5)])
        followed.snapshot()

    assert np.array_equal(scores(followed), scores(taught(8)))


def test_what_was_taught_is_learnt():
    learner = taught(60)
    truth = np.array([[word in product(number).title.split() for word in OUTPUTS] for number in range(1000, 1020)])

    assert ((scores(learner) > 0.5) == truth).mean() > 0.95


def test_batches_follow_one_another():
    learner = taught(2)

    for number in (2, 4):
        with pytest.raises(ValueError, match="does not follow"):
            learner.update(number, [])


@pytest.mark.parametrize(
    "wrong",
    [
        replace(lesson(1), targets=np.zeros(2, np.float32)),
        replace(lesson(1), targets=np.full(3, 1.5, np.float32)),
        replace(lesson(1), chance=np.zeros(3, np.float32)),
        replace(lesson(1), chance=np.full(3, np.nan, np.float32)),
    ],
)
def test_a_lesson_that_does_not_fit_is_refused_and_nothing_is_learnt(wrong):
    learner = taught(2)
    before = learner.digest()

    with pytest.raises(ValueError, match="query q1"):
        learner.update(3, [lesson(99), wrong])
    assert (learner.digest(), learner.version) == (before, 2)


def test_an_empty_batch_only_counts():
    learner = taught(2)
    before = scores(learner)

    progress = learner.update(3, [])
    assert (progress.version, progress.lessons, progress.steps) == (3, 0, 0)
    assert np.array_equal(scores(learner), before)


def test_the_last_lesson_of_a_query_in_a_batch_counts():
    once, twice = Learner(OUTPUTS, SMALL, seed=1), Learner(OUTPUTS, SMALL, seed=1)
    once.update(1, [lesson(5, query="q")])
    twice.update(1, [lesson(4, query="q"), lesson(5, query="q")])

    assert twice.digest() == once.digest()


def test_a_corrected_answer_takes_the_place_of_the_one_before():
    learner = taught(4)
    remembered = learner.update(5, []).remembered

    progress = learner.update(6, [lesson(99, query="q20")])
    assert (progress.lessons, progress.forgotten, progress.remembered) == (1, 1, remembered)


def test_a_withdrawn_answer_leaves_hardly_a_trace():
    # No other answer is learnt again, so that nothing compensates while it is there.
    settings = replace(SMALL, rehearsals=0, steps_per_lesson=0.0, memory=1000)
    one, other = Learner(OUTPUTS, settings, seed=1), Learner(OUTPUTS, settings, seed=1)
    one.update(1, [lesson(number) for number in range(10)])
    other.update(1, [lesson(number) for number in range(10)])
    one.update(2, [lesson(50)])
    one.update(3, [withdrawn("q50")])

    assert scores(one) == pytest.approx(scores(other), abs=0.02)


def test_withdrawing_what_was_never_answered_changes_nothing():
    learner, other = taught(2), taught(2)
    progress = learner.update(3, [withdrawn("never")])
    other.update(3, [])

    assert (progress.forgotten, learner.digest()) == (0, other.digest())


def test_missing_answers_leave_their_output_as_it_was():
    learner = taught(3)
    state = learner.state()
    targets = np.array([1.0, np.nan, 0.0], np.float32)
    learner.update(4, [replace(lesson(999), targets=targets)])

    share = learner.state()["memory/share"][-1]
    assert (share[1].item(), share[0].item() > 0, share[2].item() < 0) == (0.0, True, True)
    assert learner.state()["counts/plain"][:, 1].tolist() == state["counts/plain"][:, 1].tolist()


def test_changed_outputs_keep_what_shared_ones_have_learnt():
    learner = taught(20)
    before = scores(learner)
    learner.change_outputs(21, ("hat", "new", "red"))

    after = scores(learner)
    assert after[:, [0, 2]] == pytest.approx(before[:, [2, 0]], abs=1e-6)
    assert (learner.version, learner.outputs) == (21, ("hat", "new", "red"))


def test_learning_goes_on_with_changed_outputs_and_can_be_restored():
    outputs = ("hat", "red", *(f"new{k}" for k in range(20)))  # so many that new ones get fewer positives in memory
    learner = taught(10)
    learner.change_outputs(11, outputs)
    resumed = Learner(outputs, SMALL, seed=1)
    resumed.restore(learner.state())
    for one in (learner, resumed):
        for batch in range(12, 20):
            answers = np.arange(22) % 3 == batch % 3
            lessons = [lesson(number) for number in range(batch * 6, batch * 6 + 6)]
            one.update(batch, [replace(each, targets=answers.astype(np.float32), chance=np.ones(22, np.float32))
                               for each in lessons])  # fmt: skip

    assert resumed.digest() == learner.digest()


def test_a_new_output_starts_the_same_wherever_it_stands():
    one, other = taught(5), taught(5)
    one.change_outputs(6, (*OUTPUTS, "new"))
    other.change_outputs(6, ("new", *OUTPUTS))
    features = featurise([product(number) for number in range(5)], bits=SMALL.bits)

    assert one.snapshot().members(features)[:, 3] == pytest.approx(other.snapshot().members(features)[:, 0], abs=1e-6)


def test_a_state_of_other_outputs_or_seed_is_refused():
    state = taught(2).state()

    for other in (Learner(OUTPUTS[:2], SMALL, seed=1), Learner(OUTPUTS, SMALL, seed=2)):
        with pytest.raises(ValueError, match="another learner"):
            other.restore(state)


def test_the_state_holds_no_more_rows_than_were_touched():
    learner = taught(3)
    touched = len(np.unique(featurise([product(number) for number in range(5, 20)], bits=SMALL.bits).ids))

    assert learner.state()["linear/weights"].shape == (touched, 3)


def test_memory_and_tables_are_bounded_where_outputs_are_many():
    outputs = [f"o{k}" for k in range(20_000)]
    learner = Learner(outputs, LearnerSettings(table_megabytes=64, memory_megabytes=64, batch=2), seed=1)
    learner.update(1, [Lesson(query="q", product=product(1), targets=np.ones(20_000, np.float32),
                              chance=np.ones(20_000, np.float32))])  # fmt: skip

    assert learner.state()["linear/weights"].shape[1] == 0
    assert learner.snapshot().members(featurise([product(1)], bits=20)).shape == (1, 20_000, 8)


@pytest.mark.parametrize("weights", ["none", "clipped", "full"])
def test_a_rarely_asked_answer_counts_for_more_only_where_set(weights):
    settings = replace(SMALL, weights=weights, steps_per_lesson=0.0, rehearsals=0, cost=0.1)
    learner = Learner(OUTPUTS, settings, seed=1)
    learner.update(1, [lesson(number, chance=1.0) for number in range(20)])
    learner.update(2, [lesson(30, chance=0.05), lesson(30, query="other", chance=1.0)])
    share = np.abs(learner.state()["memory/share"][-2:].numpy()).max(axis=1)

    assert (share[0] > 2 * share[1]) == (weights != "none")


def apart(joint: bool, **changes) -> LearnerSettings:
    """Everything off that lets one output's answers reach another but the network itself."""
    return replace(SMALL, joint=joint, mix=1.0, balanced=0.0, calibration="none", **changes)


def network_says(settings: LearnerSettings, *, contrary: bool) -> np.ndarray:
    """Scores of the first output, when the last one's answers are as they are or all turned round."""
    learner = Learner(OUTPUTS, settings, seed=1)
    for number in range(1, 9):
        lessons = [lesson(number * 5 + i) for i in range(5)]
        for one in lessons:
            one.targets[2] = 1.0 - one.targets[2] if contrary else one.targets[2]
        learner.update(number, lessons)
    return scores(learner)[:, 0]


def test_independent_networks_learn_nothing_from_each_other():
    as_is, turned = (network_says(apart(joint=False), contrary=contrary) for contrary in (False, True))
    assert as_is == pytest.approx(turned, abs=1e-6)

    as_is, turned = (network_says(apart(joint=True), contrary=contrary) for contrary in (False, True))
    assert np.abs(as_is - turned).max() > 1e-3


def test_independent_networks_go_on_bit_for_bit_and_keep_what_they_learnt_when_outputs_change():
    settings = replace(SMALL, joint=False)
    whole, stopped = taught(9, settings, size=40), taught(6, settings, size=40)
    assert whole.state()["network/sums"].numel() > 3 * 1024  # more rows than the tables begin with
    resumed = Learner(OUTPUTS, settings, seed=1)
    resumed.restore({name: value.clone() for name, value in stopped.state().items()})
    for number in range(7, 10):
        resumed.update(number, [lesson(number * 40 + i) for i in range(40)])
    assert resumed.digest() == whole.digest()

    before = scores(whole)
    whole.change_outputs(10, ("new", "shoe", "red"))
    after = scores(whole)
    assert after[:, [2, 1]] == pytest.approx(before[:, [0, 1]], abs=1e-6)
    whole.update(11, [lesson(number) for number in range(200, 210)])
    assert np.isfinite(scores(whole)).all()


def test_without_the_bootstrap_members_of_equal_priors_agree():
    learner = taught(8, replace(SMALL, bootstrap=False, prior=0.0))
    features = featurise([product(number) for number in range(1000, 1020)], bits=SMALL.bits)
    assert np.ptp(learner.snapshot().members(features), axis=2).max() < 1e-6

    learner = taught(8, replace(SMALL, prior=0.0))
    assert np.ptp(learner.snapshot().members(features), axis=2).max() > 1e-3

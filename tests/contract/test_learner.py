"""What every learner promises, whichever it is: one suite, run over our own and over river classifiers."""

from dataclasses import replace

import numpy as np
import pytest

from models.features import featurise
from models.messages import Product
from models.policies import POLICIES
from models.view import View
from service.kinds import new_learner
from shared.lessons import OUTPUTS, SMALL, lesson, product, scores, taught, withdrawn

pytestmark = pytest.mark.usefixtures("one_thread")

RIVER = replace(SMALL, kind="river", river_members=3, river_bits=12)
KINDS = {
    "askance": SMALL,
    "logistic": RIVER,
    "chain": replace(RIVER, river_classifier="chain"),
    "bayes": replace(RIVER, river_classifier="river.naive_bayes:MultinomialNB"),
}


@pytest.fixture(params=KINDS)
def settings(request):
    return KINDS[request.param]


def test_a_restored_learner_goes_on_bit_for_bit_like_one_that_never_stopped(settings):
    whole = taught(12, settings)
    stopped = taught(7, settings)
    state = {name: value.clone() for name, value in stopped.state().items()}
    resumed = new_learner(OUTPUTS, settings, seed=1)
    resumed.restore(state)
    for number in range(8, 13):
        resumed.update(number, [lesson(number * 5 + i) for i in range(5)])

    assert resumed.digest() == whole.digest()
    assert np.array_equal(scores(resumed), scores(whole))


def test_taking_snapshots_changes_nothing_about_learning(settings):
    watched = new_learner(OUTPUTS, settings, seed=1)
    for number in range(1, 6):
        watched.update(number, [lesson(number * 5 + i) for i in range(5)])
        watched.snapshot()

    assert watched.digest() == taught(5, settings).digest()


def test_a_snapshot_after_many_is_the_same_as_the_first_one_taken(settings):
    followed = new_learner(OUTPUTS, settings, seed=1)
    for number in range(1, 9):
        followed.update(number, [lesson(number * 5 + i) for i in range(5)])
        followed.snapshot()

    assert np.array_equal(scores(followed), scores(taught(8, settings)))


def test_what_was_taught_is_learnt(settings):
    learner = taught(60, settings)
    truth = np.array([[word in product(number).title.split() for word in OUTPUTS] for number in range(1000, 1020)])

    assert ((scores(learner) > 0.5) == truth).mean() > 0.95


def test_batches_follow_one_another(settings):
    learner = taught(2, settings)

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
def test_a_lesson_that_does_not_fit_is_refused_and_nothing_is_learnt(settings, wrong):
    learner = taught(2, settings)
    before = learner.digest()

    with pytest.raises(ValueError, match="query q1"):
        learner.update(3, [lesson(99), wrong])
    assert (learner.digest(), learner.version) == (before, 2)


def test_an_empty_batch_only_counts(settings):
    learner = taught(2, settings)
    before = scores(learner)

    progress = learner.update(3, [])
    assert (progress.version, progress.lessons, progress.steps) == (3, 0, 0)
    assert np.array_equal(scores(learner), before)


def test_the_last_lesson_of_a_query_in_a_batch_counts(settings):
    once, twice = new_learner(OUTPUTS, settings, seed=1), new_learner(OUTPUTS, settings, seed=1)
    once.update(1, [lesson(5, query="q")])
    twice.update(1, [lesson(4, query="q"), lesson(5, query="q")])

    assert twice.digest() == once.digest()


def test_a_corrected_answer_takes_the_place_of_the_one_before(settings):
    learner = taught(4, settings)
    remembered = learner.update(5, []).remembered

    progress = learner.update(6, [lesson(99, query="q20")])
    assert (progress.lessons, progress.forgotten, progress.remembered) == (1, 1, remembered)


def test_withdrawing_what_was_never_answered_changes_nothing(settings):
    learner, other = taught(2, settings), taught(2, settings)
    progress = learner.update(3, [withdrawn("never")])
    other.update(3, [])

    assert (progress.forgotten, learner.digest()) == (0, other.digest())


def test_changed_outputs_keep_what_shared_ones_have_learnt(settings):
    learner = taught(20, settings)
    before = scores(learner)
    learner.change_outputs(21, ("hat", "new", "red"))

    after = scores(learner)
    assert after[:, [0, 2]] == pytest.approx(before[:, [2, 0]], abs=1e-6)
    assert (learner.version, learner.outputs) == (21, ("hat", "new", "red"))


def test_learning_goes_on_with_changed_outputs_and_can_be_restored(settings):
    outputs = ("hat", "red", *(f"new{k}" for k in range(20)))  # so many that new ones get fewer positives in memory
    learner = taught(10, settings)
    learner.change_outputs(11, outputs)
    resumed = new_learner(outputs, settings, seed=1)
    resumed.restore(learner.state())
    for one in (learner, resumed):
        for batch in range(12, 20):
            answers = np.arange(22) % 3 == batch % 3
            lessons = [lesson(number) for number in range(batch * 6, batch * 6 + 6)]
            one.update(batch, [replace(each, targets=answers.astype(np.float32), chance=np.ones(22, np.float32))
                               for each in lessons])  # fmt: skip

    assert resumed.digest() == learner.digest()


def test_a_new_output_starts_the_same_wherever_it_stands(settings):
    one, other = taught(5, settings), taught(5, settings)
    one.change_outputs(6, (*OUTPUTS, "new"))
    other.change_outputs(6, ("new", *OUTPUTS))
    features = featurise([product(number) for number in range(5)], bits=settings.bits)

    assert one.snapshot().members(features)[:, 3] == pytest.approx(other.snapshot().members(features)[:, 0], abs=1e-6)


def test_a_state_of_other_outputs_or_seed_is_refused(settings):
    state = taught(2, settings).state()

    for other in (new_learner(OUTPUTS[:2], settings, seed=1), new_learner(OUTPUTS, settings, seed=2)):
        with pytest.raises(ValueError, match="another learner"):
            other.restore(state)


def test_a_restored_learner_survives_corrections_withdrawals_and_halves(settings):
    whole, resumed = (new_learner(OUTPUTS, settings, seed=2) for _ in range(2))
    for number in range(1, 13):
        lessons = [lesson(number * 10 + i) for i in range(10)]
        lessons += [withdrawn(f"q{number * 10 - 3}"), lesson(7, query=f"q{number * 10 - 5}")]
        lessons += [replace(lesson(number), query=f"half{number}", targets=np.array([0.5, np.nan, 1.0], np.float32))]
        whole.update(number, lessons)
        fresh = new_learner(OUTPUTS, settings, seed=2)
        fresh.restore(resumed.state())
        fresh.update(number, lessons)
        resumed = fresh

    assert resumed.digest() == whole.digest()


def test_a_snapshot_never_changes_while_learning_goes_on(settings):
    learner = taught(3, settings)
    snapshot = learner.snapshot()
    features = featurise([product(number) for number in range(40)], bits=settings.bits)
    before = snapshot.members(features)
    thresholds, prevalence = snapshot.thresholds.copy(), snapshot.prevalence.copy()
    for number in range(4, 15):
        learner.update(number, [lesson(number * 30 + i) for i in range(10)])
        learner.snapshot()

    assert np.array_equal(snapshot.members(features), before)
    assert np.array_equal(snapshot.thresholds, thresholds)
    assert np.array_equal(snapshot.prevalence, prevalence)


def test_taking_a_state_changes_nothing_about_learning(settings):
    watched = new_learner(OUTPUTS, settings, seed=1)
    for number in range(1, 6):
        watched.update(number, [lesson(number * 5 + i) for i in range(5)])
        watched.state()

    assert watched.digest() == taught(5, settings).digest()


@pytest.mark.parametrize("policy", sorted(POLICIES.keys() - {"iwal-cal"}))  # that one needs a linear path
def test_what_a_model_says_is_enough_for_every_policy(settings, policy):
    snapshot = taught(10, settings).snapshot()
    features = featurise([product(number) for number in range(900, 940)], bits=settings.bits)
    disagreement = POLICIES[policy].disagreement(View.of(features, snapshot))

    assert disagreement.shape == (40, 3)
    assert ((disagreement >= 0.0) & (disagreement <= 1.0)).all()
    assert (disagreement > 0.0).any()


def test_scores_are_calibrated_probabilities_and_thresholds_lie_within(settings):
    snapshot = taught(20, settings).snapshot()
    members = snapshot.members(featurise([product(number) for number in range(900, 940)], bits=settings.bits))
    said = snapshot.scores(members)

    assert said.shape == members.shape[:2]
    assert ((said >= 0.0) & (said <= 1.0)).all()
    assert not np.array_equal(said, members.mean(axis=2))
    assert ((snapshot.thresholds > 0.0) & (snapshot.thresholds < 1.0)).all()


def test_an_output_that_nobody_was_asked_about_is_thought_rare(settings):
    learner = new_learner(OUTPUTS, settings, seed=1)
    answered = np.array([1.0, 0.0, np.nan], np.float32)
    learner.update(1, [replace(lesson(number), targets=answered) for number in range(20)])
    unnamed = Product(id="900", title="item900")
    members = learner.snapshot().members(featurise([unnamed], bits=settings.bits))

    assert learner.snapshot().prevalence[2] < 0.1
    assert members[0, 2].mean() < 0.3

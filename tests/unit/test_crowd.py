import math

import pytest

from models.messages import Because, Product, Query
from service.crowd import Crowd, Habits, answer, chosen, truth
from service.feeds import Entry

OUTPUTS = [f"o{i}" for i in range(20)]
POSITIVE = frozenset(OUTPUTS[::3])
SIGMAS = 4.5  # two-sided tail 7e-6 per figure, so that a right crowd practically never fails


def query(name: str, *, product: str = "p", ask: list[str] = OUTPUTS, expires_at: float = 4e9) -> Query:
    because = Because(disagreement={}, combined=0.0, floor=0.1, scale=1.0, threshold={})
    return Query(
        id=name,
        arrival=f"products/0/{name}",
        product=Product(id=product, title="x"),
        ask=ask,
        chance=0.5,
        scores=b"",
        model=1,
        policy="random",
        because=because,
        priority=0.5,
        asked_at=1e9,
        expires_at=expires_at,
    )


def labels_of(habits: Habits, queries: int):
    return [
        answer(query(str(i)), POSITIVE, name, habits, at=1e9) for i in range(queries) for name in chosen(str(i), habits)
    ]


def is_share(count: int, n: int, share: float) -> bool:
    """Whether `count` of `n` independent draws is what the share would give."""
    return abs(count - n * share) <= SIGMAS * math.sqrt(n * share * (1 - share))


def flips(labels) -> tuple[int, int]:
    given = [
        (said, output in POSITIVE) for label in labels for output, said in label.answers.items() if said is not None
    ]
    return sum(said != right for said, right in given), len(given)


def test_a_perfect_annotator_says_the_truth_about_each_output_asked():
    label = answer(query("1", ask=["o0", "o1", "o3"]), POSITIVE, "a-1", Habits(), at=1e9)

    assert (label.query, label.annotator, label.skipped, label.at) == ("1", "a-1", False, 1e9)
    assert label.answers == {"o0": True, "o1": False, "o3": True}


def test_one_minus_accuracy_of_the_answers_is_turned_round():
    assert is_share(*flips(labels_of(Habits(accuracy=0.85), 2_000)), 0.15)


def test_the_flip_test_would_notice_three_percent_points_less():
    assert not is_share(*flips(labels_of(Habits(accuracy=0.88), 2_000)), 0.15)


def test_flips_of_one_label_are_independent_of_each_other():
    n, a = 4_000, 0.8
    wrong = [flips([label])[0] for label in labels_of(Habits(accuracy=a), n)]
    k = len(OUTPUTS)
    mean = sum(wrong) / n
    variance = sum((w - mean) ** 2 for w in wrong) / (n - 1)

    # A binomial count; a sample variance of n near-normal values strays by about sqrt(2 / n) of itself.
    expected = k * a * (1 - a)
    assert abs(variance / expected - 1) < SIGMAS * math.sqrt(2 / n) * 1.1


def test_two_annotators_err_independently():
    both = labels_of(Habits(annotators=2, overlap=2, accuracy=0.7), 1_500)
    pairs = list(zip(both[::2], both[1::2], strict=True))
    together = sum(
        (one.answers[o] != (o in POSITIVE)) and (other.answers[o] != (o in POSITIVE))
        for one, other in pairs
        for o in OUTPUTS
    )

    assert is_share(together, len(pairs) * len(OUTPUTS), 0.3 * 0.3)


def test_unsure_is_said_of_its_share_of_outputs_and_leaves_accuracy_alone():
    labels = labels_of(Habits(unsure=0.1, accuracy=0.9), 2_000)
    unsure = sum(said is None for label in labels for said in label.answers.values())

    assert is_share(unsure, 2_000 * len(OUTPUTS), 0.1)
    assert is_share(*flips(labels), 0.1)


def test_skipped_labels_are_their_share_and_empty():
    labels = labels_of(Habits(skip=0.2), 3_000)

    assert is_share(sum(label.skipped for label in labels), 3_000, 0.2)
    assert all(label.skipped == (label.answers == {}) for label in labels)


def test_every_annotator_gets_an_equal_part_of_the_queries():
    habits = Habits(annotators=5, overlap=2)
    names = [name for i in range(3_000) for name in chosen(str(i), habits)]

    assert all(is_share(names.count(f"a-{k}"), 3_000, 2 / 5) for k in range(1, 6))


def test_the_annotators_of_one_query_are_different_ones():
    assert all(len(set(chosen(str(i), Habits(annotators=4, overlap=3)))) == 3 for i in range(100))


def test_the_same_seed_says_the_same_and_another_seed_something_else():
    first, again, other = (labels_of(Habits(accuracy=0.7, unsure=0.1, seed=seed), 50) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_product_nobody_knows_is_skipped_and_counted():
    crowd = Crowd({}, Habits())
    crowd.take(query("1"), 0.0)
    given = crowd.due(0.0)

    assert [(label.query, label.skipped) for label in given.labels] == [("1", True)]
    assert given.unknown == 1


def test_without_delay_a_query_is_answered_at_once():
    crowd = Crowd({"p": POSITIVE}, Habits())
    crowd.take(query("1"), 7.0)

    assert [label.query for label in crowd.due(7.0).labels] == ["1"]
    assert (len(crowd), crowd.next()) == (0, None)


def test_delays_are_exponential_with_the_mean_asked_for():
    n, crowd = 4_000, Crowd({"p": POSITIVE}, Habits(delay=10.0))
    delays = []
    for i in range(n):
        crowd.take(query(str(i)), 0.0)
    while (when := crowd.next()) is not None:
        delays += [when] * len(crowd.due(when).labels)

    # The mean strays by 10/sqrt(n); the share beyond the mean of an exponential is 1/e.
    assert len(delays) == n
    assert abs(sum(delays) / n - 10.0) < SIGMAS * 10.0 / math.sqrt(n)
    assert is_share(sum(delay > 10.0 for delay in delays), n, math.exp(-1))


def test_with_delay_answers_come_in_another_order_than_the_queries():
    crowd = Crowd({"p": POSITIVE}, Habits(delay=100.0))
    for i in range(50):
        crowd.take(query(str(i)), float(i))
    order = [int(label.query) for label in crowd.due(1e6).labels]

    assert sorted(order) == list(range(50))
    assert order != sorted(order)


def test_nothing_is_given_before_its_time():
    crowd = Crowd({"p": POSITIVE}, Habits(delay=10.0))
    crowd.take(query("1"), 0.0)
    when = crowd.next()

    assert crowd.due(math.nextafter(when, 0.0)).labels == []
    assert len(crowd.due(when).labels) == 1


def test_a_withdrawn_query_is_not_answered():
    crowd = Crowd({"p": POSITIVE}, Habits(delay=10.0))
    crowd.take(query("1"), 0.0)
    crowd.take(query("2"), 0.0)

    assert crowd.withdraw("1")
    assert not crowd.withdraw("never seen")
    assert [label.query for label in crowd.due(1e6).labels] == ["2"]


def test_a_query_withdrawn_between_two_answers_keeps_the_first_and_gets_no_second():
    crowd = Crowd({"p": POSITIVE}, Habits(annotators=2, overlap=2, delay=10.0))
    crowd.take(query("1"), 0.0)
    first = crowd.due(crowd.next()).labels
    crowd.withdraw("1")

    assert (len(first), crowd.due(1e6).labels) == (1, [])


def test_an_expired_query_is_counted_once_and_not_answered():
    crowd = Crowd({"p": POSITIVE}, Habits(annotators=3, overlap=3))
    crowd.take(query("1", expires_at=1e9), 1e9)
    given = crowd.due(1e9)

    assert (given.labels, given.expired, len(crowd)) == ([], 1, 0)


def test_a_query_taken_twice_is_answered_once_with_what_was_asked_last():
    crowd = Crowd({"p": POSITIVE}, Habits())
    crowd.take(query("1", ask=["o0"]), 0.0)
    crowd.take(query("1", ask=["o3"]), 0.0)

    assert [label.answers for label in crowd.due(0.0).labels] == [{"o3": True}]


def test_a_query_withdrawn_and_asked_again_is_answered_once():
    crowd = Crowd({"p": POSITIVE}, Habits(annotators=2, overlap=2, delay=10.0))
    crowd.take(query("1"), 0.0)
    crowd.withdraw("1")
    crowd.take(query("1"), 5.0)

    labels = [label for when in (10.0, 100.0, 1e6) for label in crowd.due(when).labels]
    assert sorted(label.annotator for label in labels) == ["a-1", "a-2"]


@pytest.mark.parametrize(
    ("habit", "value"),
    [("accuracy", 1.5), ("unsure", -0.1), ("skip", math.nan), ("delay", -1.0), ("delay", math.inf), ("overlap", 2)],
)
def test_a_habit_out_of_range_is_refused_by_name(habit, value):
    with pytest.raises(ValueError, match=f"^{habit} is"):
        Habits(**{habit: value})


def test_truth_leaves_out_products_without_labels_and_keeps_the_last_of_two():
    product, other = Product(id="1", title="x"), Product(id="2", title="y")

    assert truth([Entry(product, frozenset("a")), Entry(other, None), Entry(product, frozenset("b"))]) == {"1": {"b"}}

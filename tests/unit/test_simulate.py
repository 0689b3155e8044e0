import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from models.learner import LearnerSettings
from service.feeds import BadFeed
from service.simulate import Trial, load, report, run, simulate

QUICK = LearnerSettings(names=0.0, bits=14, width=8, sketch=8, hidden=16, members=4, batch=32, steps_per_lesson=0.2)
TRIAL = Trial(settings=QUICK, share=0.3, policy="random")
NAMES = ("red", "blue", "shoe", "hat", "never")


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feed")
    lines = []
    for number in range(1_200):
        words = [word for k, word in enumerate(NAMES[:4]) if (number * 2654435761 >> (9 + k)) & 1]
        title = " ".join([*words, f"item{number % 97}"])
        lines.append(json.dumps({"id": f"p{number}", "title": title, "labels": words}))
    (folder / "toy.jsonl").write_text("\n".join(lines))
    (folder / "toy.outputs.json").write_text(json.dumps({"outputs": [{"name": name} for name in NAMES]}))
    return folder / "toy.jsonl", folder / "toy.outputs.json"


def place(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def without_seconds(found: dict) -> dict:
    return {name: value for name, value in found.items() if "second" not in name}


def test_held_out_are_exactly_those_whose_hash_says_so(feed):
    data = load(*feed, TRIAL)

    expected = {f"p{number}" for number in range(1_200) if place(f"p{number}") < 0.2}
    assert {product.id for product in data.held} == expected
    assert expected.isdisjoint(product.id for product in data.stream)


def test_products_to_score_by_are_sorted_by_their_hash(feed):
    places = [place(product.id) for product in load(*feed, TRIAL).held]

    assert places == sorted(places)


def test_a_shuffled_stream_is_sorted_by_the_hash_of_seed_and_id(feed):
    ids = [product.id for product in load(*feed, replace(TRIAL, seed=3, limit=100)).stream]

    rest = [f"p{number}" for number in range(1_200) if place(f"p{number}") >= 0.2]
    rest.sort(key=lambda name: hashlib.blake2b(f"3:{name}".encode(), digest_size=8).digest())
    assert ids == rest[:100]


def test_a_stream_in_source_order_is_the_file(feed):
    ids = [product.id for product in load(*feed, replace(TRIAL, order="source", limit=50)).stream]

    assert ids == [f"p{number}" for number in range(1_200) if place(f"p{number}") >= 0.2][:50]


def test_batches_have_at_most_sixty_four_products_and_end_exactly_at_the_points(feed):
    data = load(*feed, TRIAL)
    steps = list(run(data, TRIAL))

    sizes = np.diff([0, *(step.products for step in steps)])
    assert 1 <= sizes.min() <= sizes.max() == 64
    assert steps[-1].products == len(data.stream)
    labels = [step.point.labels for step in steps if step.point]
    assert labels == [100, 200, steps[-1].labels]


def test_a_report_says_the_same_every_time(feed):
    first, second = (simulate(*feed, replace(TRIAL, policy="iwal")) for _ in range(2))

    assert without_seconds(first) == without_seconds(second)


def test_the_report_has_the_agreed_fields(feed):
    found = simulate(*feed, TRIAL)

    assert {"feed", "system", "policy", "seed", "order", "points", "seconds", "products_per_second"} <= set(found)
    assert (found["feed"], found["system"], found["policy"]) == ("toy", "askance", "random")
    assert set(found["points"][0]) == {"labels", "answers", "products", "macro_ap", "micro_f1"}
    assert json.loads(json.dumps(found)) == found


def test_whole_products_are_asked_about_with_all_their_outputs(feed):
    assert all(point["answers"] == 5 * point["labels"] for point in simulate(*feed, TRIAL)["points"])


def test_asking_output_by_output_asks_less_of_each_product(feed):
    last = simulate(*feed, replace(TRIAL, policy="iwal", asking="outputs"))["points"][-1]

    assert last["labels"] < last["answers"] < 5 * last["labels"]


@pytest.mark.slow
def test_an_output_with_a_share_is_asked_less_and_the_others_more(feed):
    trial = replace(TRIAL, policy="iwal", asking="outputs")
    data = load(*feed, trial)
    free, bounded, all_bounded = (
        report(data, one, list(run(data, one)))["points"][-1]["answers"]
        for one in (trial, *(replace(trial, output_shares=dict.fromkeys(names, 0.1)) for names in (["red"], NAMES)))
    )

    assert bounded == pytest.approx(free, rel=0.1)
    assert all_bounded == pytest.approx(0.1 * len(NAMES) * len(data.stream), rel=0.2)


def test_quality_rises_with_labels(feed):
    points = simulate(*feed, TRIAL)["points"]

    assert points[-1]["macro_ap"] > points[0]["macro_ap"] - 0.01
    assert points[-1]["macro_ap"] > 0.95


def test_the_stream_ends_with_the_last_label_wanted(feed):
    found = simulate(*feed, replace(TRIAL, labels=120))

    assert [point["labels"] for point in found["points"]] == [100, 120]


def test_a_delayed_answer_is_not_known_before_its_time(feed):
    data = load(*feed, TRIAL)
    never, untaught = (
        report(data, trial, list(run(data, trial)))["points"][-1]["macro_ap"]
        for trial in (replace(TRIAL, delay=10_000), replace(TRIAL, settings=replace(QUICK, rehearsals=0), delay=10_000))
    )

    assert never == untaught < 0.8


def test_the_end_of_the_stream_is_scored_once(feed):
    steps = list(run(load(*feed, TRIAL), replace(TRIAL, labels=100)))

    assert sum(step.point is not None for step in steps) == 1


def test_a_feed_without_labels_is_refused_by_line(tmp_path, feed):
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"id": "1", "title": "x", "labels": []}\n{"id": "2", "title": "x"}\n')

    with pytest.raises(BadFeed, match="line 2: no `labels`"):
        load(bare, feed[1], TRIAL)


def test_nothing_to_score_by_is_refused(feed):
    with pytest.raises(BadFeed, match="0 held out"):
        load(*feed, replace(TRIAL, holdout=0.0))


@pytest.mark.slow
def test_wrong_answers_make_what_is_learnt_worse(feed):
    clean, wrong = (simulate(*feed, replace(TRIAL, noise=noise))["points"][-1] for noise in (0.0, 0.4))

    assert wrong["labels"] == clean["labels"]
    assert wrong["macro_ap"] < clean["macro_ap"] - 0.05


@pytest.mark.slow
def test_wrong_answers_are_the_same_every_time(feed):
    first, second = (simulate(*feed, replace(TRIAL, noise=0.2)) for _ in range(2))

    assert without_seconds(first) == without_seconds(second)

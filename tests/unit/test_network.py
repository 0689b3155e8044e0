from dataclasses import replace

import numpy as np
import pytest
import torch

from models import network
from models.features import featurise
from models.hashing import name_hash, poisson_counts
from models.messages import Product
from models.optimiser import AdamW, step_rows
from models.table import ranked

SHAPE = network.Shape(width=6, sketch=4, hidden=5, members=3, prior=1.0)
CPU = torch.device("cpu")


def made(outputs=("a", "b", "c")):
    learnt = network.parameters(len(outputs), SHAPE, seed=1, device=CPU)
    prior = network.priors(outputs, SHAPE, seed=1, device=CPU)
    return learnt, prior


def inputs(n: int = 7):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 6, generator=generator), torch.randn(n, 4, generator=generator)


def test_before_learning_members_say_the_bias_and_their_priors():
    learnt, prior = made()
    embedded, sketched = inputs()

    said = network.logits(learnt, prior, embedded, sketched, torch.tensor([-1.0, 0.0, 1.0]))
    expected = torch.einsum("ns,kms->nkm", sketched, prior) + torch.tensor([-1.0, 0.0, 1.0])[None, :, None]
    assert torch.allclose(said, expected, atol=1e-6)


def test_a_prior_belongs_to_its_output_wherever_that_stands():
    one = network.priors(("a", "b"), SHAPE, seed=1, device=CPU)
    other = network.priors(("b", "x", "a"), SHAPE, seed=1, device=CPU)

    assert torch.equal(one[[1, 0]], other[[0, 2]])


def test_the_slope_is_that_of_the_mean_cross_entropy_over_members_summed_over_outputs():
    said = torch.tensor([[[0.3, -2.0]], [[1.0, 0.5]]], requires_grad=True)
    targets, weights = torch.tensor([[1.0], [0.25]]), torch.tensor([[[1.0, 2.0]], [[0.0, 1.0]]])

    each = torch.nn.functional.binary_cross_entropy_with_logits(
        said, targets[:, :, None].expand_as(said), reduction="none"
    )
    (expected,) = torch.autograd.grad((each * weights).sum() / 4, said)
    assert torch.allclose(network.slope(said.detach(), targets, weights), expected)


def test_a_missing_answer_has_no_slope_at_all():
    learnt, prior = made()
    targets = torch.tensor([[1.0, float("nan"), 0.0]] * 7)
    slope = network.slope(network.logits(learnt, prior, *inputs(), torch.zeros(3)), targets, torch.ones(7, 3, 3))

    assert not slope[:, 1].any()
    assert slope[:, [0, 2]].all()


def test_weight_two_is_the_answer_twice():
    learnt, prior = made()
    said = network.logits(learnt, prior, *inputs(2), torch.zeros(3))
    targets, once = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), torch.ones(2, 3, 3)

    assert torch.equal(2.0 * network.slope(said, targets, once), network.slope(said, targets, 2.0 * once))


def test_blended_members_scatter_around_the_mixed_mean():
    linear, said = torch.tensor([[2.0]]), torch.tensor([[[-1.0, 0.0, 4.0]]])

    blended = network.blend(linear, said, 0.25, 0.5)
    assert blended.mean() == pytest.approx(0.75 * 2.0 + 0.25 * 1.0)
    assert (blended[0, 0, 2] - blended[0, 0, 0]) == pytest.approx(2.5)


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_fused_for_serving_says_what_its_parts_say(shared):
    learnt = network.parameters(3, replace(SHAPE, shared=shared), seed=1, device=CPU)
    generator = torch.Generator().manual_seed(2)
    learnt = {name: torch.randn(value.shape, generator=generator) for name, value in learnt.items()}
    _, prior = made()
    linear, bias = torch.randn(7, 3, generator=generator), torch.tensor([-1.0, 0.0, 1.0])

    expected = network.blend(linear, network.logits(learnt, prior, *inputs(), bias), 0.25, 0.5)
    fused = network.fuse(learnt, prior, bias, 0.25, 0.5)
    assert torch.allclose(network.blend_fused(0.75 * linear, learnt, fused, *inputs()), expected, atol=1e-5)


def test_a_sketch_keeps_inner_products_on_average():
    features = featurise([Product(id="1", title="red shoes"), Product(id="2", title="red hat")], bits=20)
    exact = np.dot(*(np.bincount(features.take([i]).ids, features.take([i]).values, 2**20) for i in range(2)))

    rows = network.sketch(features, features.values, 4096) / 64.0
    assert rows[0] @ rows[1] == pytest.approx(exact, abs=0.06)
    assert (rows**2).sum(axis=1) == pytest.approx([1.0, 1.0], abs=0.1)


def test_bootstrap_counts_depend_on_query_output_and_member_names_alone():
    queries = np.array([name_hash(name) for name in ("q1", "q2")], np.uint64)
    outputs = np.array([name_hash(name) for name in ("a", "b")], np.uint64)

    counts = poisson_counts(queries, outputs, 8)
    assert np.array_equal(poisson_counts(queries[::-1], outputs[::-1], 8), counts[::-1, ::-1])
    assert np.array_equal(poisson_counts(queries, outputs, 4), counts[:, :, :4])


def test_the_first_step_of_adamw_is_the_warmed_rate_against_the_sign():
    optimiser = AdamW({"x": 0.1}, decay=0.0, warm=10)
    parameters = {"x": torch.tensor([1.0, 1.0])}
    optimiser.step(parameters, {"x": torch.tensor([3.0, -0.5])})

    assert torch.allclose(parameters["x"], torch.tensor([0.99, 1.01]), atol=1e-5)


def test_adamw_goes_the_way_of_the_one_in_torch():
    start = torch.linspace(-1, 1, 5)
    ours = {"x": start.clone()}
    theirs = start.clone().requires_grad_()
    optimiser = AdamW({"x": 0.01}, decay=0.1, warm=1, bound=1e9)
    reference = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for step in range(20):
        gradient = torch.sin(start * (step + 1))
        optimiser.step(ours, {"x": gradient})
        theirs.grad = gradient.clone()
        reference.step()

    assert torch.allclose(ours["x"], theirs, atol=1e-6)


def test_only_the_rows_named_move():
    table, sums = np.ones((4, 3), np.float32), np.zeros(4, np.float32)
    step_rows(table, sums, np.array([1, 3]), np.full((2, 3), 2.0, np.float32), 0.1)

    assert table[[0, 2]].tolist() == [[1.0] * 3] * 2
    assert table[[1, 3]] == pytest.approx(np.full((2, 3), 0.9))
    assert sums.tolist() == [0.0, 4.0, 0.0, 4.0]


def test_the_distinct_rows_of_a_table_are_found_as_by_sorting():
    rows = np.array([7, 2, 2, 9, 7], np.int64)
    distinct, places = ranked(rows, 11)

    assert distinct.tolist() == [2, 7, 9]
    assert distinct[places].tolist() == rows.tolist()

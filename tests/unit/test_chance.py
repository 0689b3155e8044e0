import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chance import Budget, Chances, combine, draw, draws, floor_for, query_id

figures = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40)


def test_the_draw_of_an_arrival_is_this_for_ever():
    assert draw(b"key", "shop", "products/0/17") == 0.9308608820930457


def test_arrivals_drawn_together_are_drawn_as_each_by_itself():
    arrivals = [f"products/{number % 3}/{number}" for number in range(9)]

    assert draws(b"key", "shop", arrivals).tolist() == [draw(b"key", "shop", arrival) for arrival in arrivals]
    assert draws(b"key", "shop", []).tolist() == []


def test_the_query_of_an_arrival_is_this_for_ever():
    assert query_id("shop", "products/0/17") == "e3bc0d67ff1c0cc9e7ee6c5fe65ed293"


def test_another_key_stream_or_arrival_has_another_draw():
    arguments = [(b"k", "s", "a"), (b"l", "s", "a"), (b"k", "t", "a"), (b"k", "s", "b"), (b"k", "sa", "")]

    assert len({draw(*each) for each in arguments}) == len(arguments)


@pytest.mark.parametrize("key", [b"", b"x" * 65])
def test_a_key_that_cannot_be_used_is_refused(key):
    with pytest.raises(ValueError, match="1 to 64 bytes"):
        draw(key, "s", "a")


@pytest.mark.parametrize("chance", [0.0, 0.01, 1.5, float("nan"), -1.0])
def test_a_chance_outside_its_bounds_cannot_be_made(chance):
    with pytest.raises(ValueError, match="must lie in"):
        Chances(np.array([0.5, chance]), None, 0.05)


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.1, float("nan")])
def test_a_floor_of_nothing_cannot_be_made(floor):
    with pytest.raises(ValueError, match="floor"):
        Chances(np.array([0.5]), None, floor)


def test_the_chance_of_a_product_is_the_largest_of_its_outputs():
    with pytest.raises(ValueError, match="largest"):
        Chances(np.array([0.5]), np.array([[0.4, 0.6]]), 0.05)


def test_outputs_are_asked_by_one_draw_so_that_they_nest():
    chances = Chances(np.array([0.6, 0.6]), np.array([[0.2, 0.6, 0.4], [0.6, 0.1, 0.6]]), 0.05)

    expected = [[False, True, True], [False, False, False]]
    assert chances.asked_outputs([0.3, 0.6], 3).tolist() == expected
    assert chances.asked([0.3, 0.6]).tolist() == [True, False]


@given(figures, figures, st.floats(0.01, 0.5), st.booleans())
def test_chances_do_not_depend_on_how_the_stream_is_cut(first, second, share, by_output):
    together, apart = (Budget(share=share, floor=share / 2) for _ in range(2))
    stream = np.array([*first, *second])
    outputs = np.stack([stream, stream**2], axis=1) if by_output else None

    def cut(part: slice) -> list[float]:
        return apart.chances_for(stream[part], None if outputs is None else outputs[part]).product.tolist()

    expected = together.chances_for(stream, outputs).product.tolist()
    assert cut(slice(0, len(first))) + cut(slice(len(first), None)) == expected
    assert apart.scale == together.scale


@given(figures, figures, st.floats(0.01, 0.5))
def test_chances_of_outputs_with_a_share_do_not_depend_on_how_the_stream_is_cut(first, second, share):
    together, apart = (Budget(share=share, floor=share / 4, output_shares={1: share / 2}) for _ in range(2))
    stream = np.array([*first, *second])
    outputs = np.stack([stream**2, stream], axis=1)

    def cut(part: slice) -> list[list[float]]:
        return apart.chances_for(stream[part], outputs[part]).outputs.tolist()

    expected = together.chances_for(stream, outputs).outputs.tolist()
    assert cut(slice(0, len(first))) + cut(slice(len(first), None)) == expected
    assert apart.output_scales == together.output_scales


@given(figures, st.floats(0.01, 0.5), st.floats(1e-4, 1e4))
def test_the_scale_of_an_output_is_never_above_the_general_one(stream, share, scale):
    budget = Budget(share=share, floor=share / 4, scale=scale, output_shares={0: share / 2}, output_scales={0: 2e4})
    chances = budget.chances_for(np.array(stream), np.array([stream, stream]).T)

    assert (chances.output_scales[:, 0] <= chances.scales).all()
    assert (chances.output_scales[:, 1] == chances.scales).all()
    assert (chances.outputs >= share / 4).all()


def test_a_share_of_an_output_does_not_count_where_whole_products_are_asked_about():
    plain, bounded = (
        Budget(share=0.2, floor=0.05, output_shares=shares).chances_for(np.ones(9)) for shares in (None, {0: 0.1})
    )

    assert (bounded.product.tolist(), bounded.output_scales) == (plain.product.tolist(), None)


def test_a_floor_above_the_share_of_an_output_is_refused():
    with pytest.raises(ValueError, match=r"floor 0\.05 and share 0\.03"):
        Budget(share=0.1, floor=0.05, output_shares={2: 0.03})


@given(figures, st.floats(0.01, 0.5), st.floats(1e-4, 1e4))
def test_every_chance_lies_between_the_floor_and_one(stream, share, scale):
    chances = Budget(share=share, floor=share / 2, scale=scale).chances_for(np.array(stream))

    assert ((chances.product >= share / 2) & (chances.product <= 1.0)).all()


def test_a_budget_whose_floor_is_above_its_share_is_refused():
    with pytest.raises(ValueError, match="floor"):
        Budget(share=0.05, floor=0.1)


def test_asking_at_random_meets_the_share_from_the_first_arrival():
    assert Budget(share=0.1, floor=0.05).chances_for(np.ones(3)).product == pytest.approx([0.1, 0.1, 0.1])


def test_an_output_of_no_importance_does_not_count():
    disagreement = np.array([[0.3, 0.9], [0.4, 0.0]])

    assert combine(disagreement, np.array([1.0, 0.0])) == pytest.approx([0.3, 0.4])
    assert combine(disagreement, np.zeros(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("share", "floor"), [(0.5, 0.1), (0.1, 0.02), (0.04, 0.02), (0.01, 0.005), (1.0, 0.2)])
def test_the_floor_leaves_at_least_half_of_the_share_to_choose_with(share, floor):
    assert floor_for(share) == pytest.approx(floor)


def test_what_is_spent_is_the_sum_of_chances_and_a_part_of_a_product_where_outputs_are_asked_one_by_one():
    product, outputs = np.array([0.5, 0.2]), np.array([[0.5, 0.1], [0.2, 0.2]])

    assert Chances(product, None, 0.1).spent([0, 1]) == pytest.approx(0.7)
    assert Chances(product, outputs, 0.1).spent([0, 1]) == pytest.approx(0.3 + 0.2)

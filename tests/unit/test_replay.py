import numpy as np
import pytest

from models.replay import Memory
from models.reservoir import Reservoir

NO_FEATURES = (np.zeros(0, np.int64), np.zeros(0, np.float32))


def filled(count: int, *, limit: int = 8, positives: int = 2) -> Memory:
    """Every tenth product is yes on the rare output `b`; the output `a` is yes on the odd ones."""
    memory = Memory(("a", "b"), limit=limit, positives=positives, key="k")
    for number in range(count):
        answers = np.array([number % 2, number % 10 == 0], np.float32)
        memory.add(f"q{number}", np.array([number]), np.ones(1, np.float32), answers, np.ones(2, np.float32))
        memory.sweep()
    return memory


def held(memory: Memory) -> list[str | None]:
    return [memory.queries[slot] for slot in memory.everything.slots]


def test_a_memory_never_holds_more_than_its_bounds():
    memory = filled(500)

    assert len(memory.everything.slots) == 8
    assert [len(reservoir.slots) for reservoir in memory.positives] == [2, 2]
    assert len(memory) <= 8 + 2 * 2
    assert len(memory.queries) <= len(memory) + 2


def test_rare_positives_are_kept_though_the_sample_moved_on():
    memory = filled(500)

    names = [memory.queries[slot] for slot in memory.positives[1].slots]
    assert all(int(name[1:]) % 10 == 0 for name in names)


def test_what_is_held_is_found_under_its_query():
    memory = filled(100)

    assert {name: int(memory.features[slot][0][0]) for name, slot in memory.slot_of.items()} == {
        name: int(name[1:]) for name in memory.slot_of
    }


def test_a_removed_query_is_nowhere_any_more():
    memory = filled(100)
    name = held(memory)[3]
    memory.remove(name)

    assert name not in memory.slot_of
    assert name not in held(memory)
    assert all(memory.queries[slot] is not None for slot in memory.choose(200, 0.5, 1))


def test_removing_what_is_not_held_changes_nothing():
    memory = filled(50)
    before = held(memory)
    memory.remove("never")

    assert held(memory) == before


def test_the_same_key_chooses_the_same_slots():
    memory = filled(100)

    assert memory.choose(20, 0.5, 3, 1) == memory.choose(20, 0.5, 3, 1) != memory.choose(20, 0.5, 3, 2)


def test_a_balanced_choice_takes_outputs_in_turn():
    memory = filled(1000, limit=200, positives=50)

    chosen = memory.choose(4000, 1.0, 1)
    positive = memory.targets[chosen]
    assert positive[:, 1].mean() == pytest.approx(0.5, abs=0.05)


def test_an_empty_memory_has_nothing_to_choose():
    assert filled(0).choose(5, 0.5, 1) == []


def test_a_restored_memory_goes_on_the_same():
    memory, restored = filled(40), filled(0)
    restored.restore(memory.state())
    for one in (memory, restored):
        one.remove(held(one)[0])
        for number in range(100, 140):
            one.add(f"q{number}", *NO_FEATURES, np.ones(2, np.float32), np.ones(2, np.float32))
            one.sweep()

    assert held(restored) == held(memory)
    assert restored.slot_of == memory.slot_of


def test_a_reservoir_holds_all_while_there_is_room():
    reservoir = Reservoir(10, "k")

    assert [reservoir.offer(slot) for slot in range(10)] == [None] * 10
    assert reservoir.slots == list(range(10))


def test_a_full_reservoir_says_which_slot_must_go():
    reservoir = Reservoir(3, "k")
    gone = [reservoir.offer(slot) for slot in range(50)]

    assert sorted([*reservoir.slots, *(slot for slot in gone if slot is not None)]) == list(range(50))


@pytest.mark.parametrize("dimensions", [0, 3])
def test_a_memory_of_many_answers_comes_back_with_all_their_embeddings(dimensions):
    whole, again = (Memory(("a",), limit=1_000, positives=2, key="k", dimensions=dimensions) for _ in range(2))
    for number in range(600):
        embedding = np.full(dimensions, number % 100, np.int8)
        whole.add(f"q{number}", *NO_FEATURES, np.ones(1, np.float32), np.ones(1, np.float32), embedding)
    again.restore(whole.state())

    assert np.array_equal(again.batch(range(600)).embeddings, whole.batch(range(600)).embeddings)

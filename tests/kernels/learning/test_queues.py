"""The queues against a deque and a dictionary."""

from collections import deque
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.kernels.learning.queues import num_waiting, pop, push
from loops import new_heap, new_line

pytestmark = pytest.mark.kernels

NUM_STATES = 6
CHANGES = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])  # few, so that many are equal
# Push a state with the change of its value, or pop for None.
HAPPENINGS = st.lists(st.none() | st.tuples(st.integers(0, NUM_STATES - 1), CHANGES))


@given(HAPPENINGS)
def test_a_line_serves_in_the_order_of_coming(happenings):
    line, plain = new_line(NUM_STATES), deque()
    for happening in happenings:
        if happening is not None:
            push(line, happening[0], np.float32(happening[1]))
            if happening[0] not in plain:
                plain.append(happening[0])
        elif plain:
            assert pop(line) == plain.popleft()
        assert num_waiting(line) == len(plain)


@given(HAPPENINGS)
def test_a_heap_serves_the_greatest_change_and_a_state_waits_with_its_greatest(happenings):
    heap, plain = new_heap(NUM_STATES), {}
    for happening in happenings:
        if happening is not None:
            s, change = happening
            push(heap, s, np.float32(change))
            plain[s] = max(change, plain.get(s, change))
        elif plain:
            max_value = max(plain.values())
            assert plain.pop(pop(heap)) == max_value
        assert num_waiting(heap) == len(plain)
        places = [(s, int(heap.positions[s])) for s in range(NUM_STATES) if heap.positions[s] >= 0]
        assert dict(places).keys() == plain.keys()
        assert all(heap.states[place] == s for s, place in places)


def test_all_states_can_wait_and_come_out_sorted():
    heap, rng = new_heap(500), np.random.default_rng(0)
    changes = rng.permutation(500).astype(np.float32)
    for s in rng.permutation(500).tolist():
        push(heap, s, changes[s] / 2)
        push(heap, s, changes[s])
    order = [pop(heap) for _ in range(500)]
    assert order == np.argsort(-changes).tolist()
    assert num_waiting(heap) == 0


def test_a_full_line_goes_round():
    line = new_line(3)
    for s in (2, 0, 1, 2):
        push(line, s, np.float32(1))
    assert [pop(line), pop(line)] == [2, 0]
    push(line, 0, np.float32(1))
    push(line, 2, np.float32(1))
    assert [pop(line) for _ in range(3)] == [1, 0, 2]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_states_that_come_in_any_order_come_out_sorted(size):
    for changes in permutations(range(1, size + 1)):
        heap = new_heap(size)
        for s, change in enumerate(changes):
            push(heap, s, np.float32(change))
        assert [changes[pop(heap)] for _ in changes] == sorted(changes, reverse=True)

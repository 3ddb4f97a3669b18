"""What all actors of a team share: own inputs, joint actions, weights that are exchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_networks import EVEN, SPEC, UNEVEN, inputs, recurrent_actor, team

from policies.networks.actors import TeamActor
from policies.networks.team import arrays


def test_weights_can_be_exchanged_without_touching_the_original():
    first, second = team("plain", 2, UNEVEN, seed=0), team("plain", 2, UNEVEN, seed=5)
    x = inputs(UNEVEN, 2)
    before = first(x)
    weights = {name: value.numpy() for name, value in second.state_dict().items()}
    torch.testing.assert_close(first.with_weights(weights)(x), second(x), rtol=0, atol=0)
    torch.testing.assert_close(first(x), before, rtol=0, atol=0)


def test_own_inputs_are_gathered_and_padded_with_zeros():
    made = team("plain", 1, UNEVEN)
    x = torch.arange(1.0, 13.0).view(2, 6)  # states of width 2, 1 and 3
    own = [[[1, 2, 0], [7, 8, 0]], [[3, 0, 0], [9, 0, 0]], [[4, 5, 6], [10, 11, 12]]]
    assert made.gather(x).tolist() == own
    assert made.gather(x[None]).tolist() == [[rows] for rows in own]


def test_joint_actions_are_without_the_padding():
    made = team("plain", 1, UNEVEN)  # actions of width 1, 2 and 1
    y = torch.arange(6.0).view(3, 1, 2)
    assert made.joined(y).tolist() == [[0, 2, 3, 4]]
    assert team("plain", 1, EVEN).joined(torch.tensor([[[1.0]], [[2.0]]])).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "make", [lambda kind: TeamActor(EVEN, 1, kind=kind, width=8), recurrent_actor]
)
def test_unknown_kinds_are_refused(make):
    with pytest.raises(ValueError, match="actor net is 'deep', must be one of paper, plain"):
        make("deep")


def test_arrays_are_contiguous_copies_without_gradients():
    made = recurrent_actor(spec=SPEC)
    found = arrays({"a": made.last.weight[0, :, :1], "b": made.last.bias[0, 0]})
    assert all(array.flags.c_contiguous for array in found.values())
    np.testing.assert_array_equal(found["a"], made.last.weight[0, :, :1].detach())

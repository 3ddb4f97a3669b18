"""Recurrent critics: sets of actions, the clock, and what they remember."""

from __future__ import annotations

import pytest
import torch
from random_networks import SPEC, B, L, sequence

from policies.networks.recurrent_critics import RECURRENT_CRITICS, RecurrentCritics


def critics(n=1, kind="quadratic-residual", recurs=True):
    torch.manual_seed(1)
    return RecurrentCritics(
        n, SPEC, L, recurs=recurs, kind=kind, width=8, memory=6, rows=4
    ).double()


@pytest.mark.parametrize("kind", RECURRENT_CRITICS)
def test_each_critic_values_its_own_set_of_actions(kind):
    made, x = critics(3, kind), sequence()
    action = torch.rand(3, 2 * L, B, SPEC.action_dim, dtype=torch.float64)
    memory = made.remember(x)
    found = made(x, memory, action)
    assert found.shape == (3, 2 * L, B)
    other = made(x, memory, action.flip(0))
    assert not torch.allclose(found[0], other[0])
    torch.testing.assert_close(found[1], other[1])
    # In the middle of a trajectory the clock goes on.
    torch.testing.assert_close(made(x[1:], memory[:, 1:], action[:, 1:], start=1), found[:, 1:])


@pytest.mark.parametrize("kind", RECURRENT_CRITICS)
def test_one_critic_values_several_sets_of_actions(kind):
    made, x = critics(1, kind), sequence()
    action = torch.rand(3, 2 * L, B, SPEC.action_dim, dtype=torch.float64)
    memory = made.remember(x)
    apart = torch.cat([made(x, memory, one[None]) for one in action])
    torch.testing.assert_close(made(x, memory, action), apart)


@pytest.mark.parametrize("kind", RECURRENT_CRITICS)
def test_critics_remember_earlier_rounds(kind):
    made, x = critics(1, kind), sequence()
    other = x.clone()
    other[0] += 1.0
    action = torch.zeros(1, 2 * L, B, SPEC.action_dim, dtype=torch.float64)
    first, second = (made(given, made.remember(given), action) for given in (x, other))
    assert (first[0, -1] != second[0, -1]).all()


@pytest.mark.parametrize("kind", RECURRENT_CRITICS)
def test_flat_rows_are_valued_as_their_rounds(kind):
    made, x = critics(3, kind), sequence()
    action = torch.rand(3, 2 * L, B, SPEC.action_dim, dtype=torch.float64)
    rows, flat = x.transpose(0, 1).flatten(1), action.transpose(1, 2).flatten(2)
    expected = made(x, made.remember(x), action).transpose(1, 2)
    torch.testing.assert_close(made.of_rows(rows, flat), expected)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="critic net is 'deep', must be one of paper, quad"):
        critics(kind="deep")

"""Recurrent networks: the GRU against torch's, what an agent may see, the clock, whitening."""

from __future__ import annotations

import pytest
import torch

from policies.contract.joint_spec import JointSpec
from policies.networks.recurrent import RECURRENT_CRITICS, RecurrentActor, RecurrentCritics
from policies.networks.recurrent_layers import SlotLinear, StackedGRU, in_rounds, slot
from policies.networks.team import ACTORS

SPEC = JointSpec(("agent_0", "agent_1", "agent_2"), (2, 1, 3), (1, 2, 1), (1, 3, 2))
L, B = 2, 5
WIDTH = SPEC.input_dim(2)


def actor(kind="plain", spec=SPEC, seed=0, recurs=True):
    """With every parameter drawn at random, so that nothing is zero by its initial value."""
    torch.manual_seed(seed)
    made = RecurrentActor(spec, L, recurs=recurs, kind=kind, width=8, memory=6)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return made.double()


def critics(n=1, kind="quadratic-residual", recurs=True):
    torch.manual_seed(1)
    return RecurrentCritics(
        n, SPEC, L, recurs=recurs, kind=kind, width=8, memory=6, rows=4
    ).double()


def sequence(rounds=2 * L, batch=B, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(rounds, batch, WIDTH, generator=generator, dtype=torch.float64)


def test_slots_of_the_clock():
    assert [slot(r, 3) for r in range(8)] == [0, 1, 2, 3, 1, 2, 3, 1]
    assert [slot(r, 1) for r in range(4)] == [0, 1, 1, 1]


def test_rounds_of_flat_rows():
    flat = torch.arange(12.0).view(2, 6)  # two trajectories of three rounds
    assert in_rounds(flat, 2).tolist() == [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]


def test_the_gru_is_torchs():
    ours, given = StackedGRU(2, 4, 3), torch.randn(2, 5, 7, 4)
    start = torch.randn(2, 7, 3)
    for begin in (None, start):
        found = ours(given, begin)
        for i in range(2):
            theirs = torch.nn.GRU(4, 3)
            with torch.no_grad():
                theirs.weight_ih_l0.copy_(ours.input.weight[i].t())
                theirs.bias_ih_l0.copy_(ours.input.bias[i, 0])
                theirs.weight_hh_l0.copy_(ours.hidden.weight[i].t())
                theirs.bias_hh_l0.copy_(ours.hidden.bias[i, 0])
            expected, _ = theirs(given[i], None if begin is None else begin[i : i + 1])
            torch.testing.assert_close(found[i], expected)


def test_every_slot_has_its_own_map():
    maps = SlotLinear(2, 3, 4, 5)
    x = torch.randn(2, 4, 6, 4)
    found = maps(x, (0, 1, 2, 1))
    for i in range(2):
        for r, place in enumerate((0, 1, 2, 1)):
            weight, bias = maps.maps.weight[3 * i + place], maps.maps.bias[3 * i + place]
            torch.testing.assert_close(found[i, r], x[i, r] @ weight + bias)
    torch.testing.assert_close(maps(x[:, :3], (0, 1, 2)), found[:, :3])


@pytest.mark.parametrize("kind", ACTORS)
def test_an_agent_acts_on_what_it_has_seen_itself(kind):
    """The Jacobian of its actions holds its own inputs of this and earlier rounds alone."""
    made = actor(kind)
    jacobian = torch.autograd.functional.jacobian(made, sequence(batch=1))
    # (rounds, 1, A, rounds, 1, inputs): what an action owes to an input.
    owed = jacobian.abs()[:, 0, :, :, 0] > 0
    start = 0
    for i, own in enumerate(SPEC.actor_inputs(2)):
        mine = owed[:, start : start + SPEC.action_dims[i]]
        start += SPEC.action_dims[i]
        others = torch.ones(WIDTH, dtype=torch.bool)
        others[torch.from_numpy(own)] = False
        assert not mine[..., others].any()
        for now in range(2 * L):
            assert not mine[now, :, now + 1 :].any()
            # A ReLU unit or two may be dead; nearly everything own counts in every round.
            assert mine[now][:, : now + 1][..., ~others].double().mean() > 0.7


@pytest.mark.parametrize("kind", ACTORS)
def test_a_trajectory_in_pieces(kind):
    made, x = actor(kind), sequence(rounds=2 * L + 1)
    whole, hidden, pieces = made(x), None, []
    for r in range(len(x)):
        action, hidden = made.steps(x[r : r + 1], r, hidden)
        pieces.append(action)
    torch.testing.assert_close(torch.cat(pieces), whole)
    forgotten, _ = made.steps(x[L:], L, None)
    assert not torch.allclose(forgotten, whole[L:])  # the hidden state goes on over time steps


def test_output_is_added_to_the_own_last_action_within_a_time_step():
    made = actor()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    x = sequence().clamp(-0.9, 0.9)
    last = x[..., SPEC.state_dim : SPEC.state_dim + SPEC.action_dim]
    expected = last.clone()
    expected[0::L] = 0.0
    torch.testing.assert_close(made(x), expected)


def test_inputs_are_whitened_for_every_slot():
    made = actor()
    torch.manual_seed(5)
    x = torch.randn(3 * L, 400, WIDTH, dtype=torch.float64) * torch.rand(3 * L, 1, WIDTH) + 0.3
    x[0, :, SPEC.state_dim :] = 0.0  # nothing has been done or measured before the first round
    made.fit_inputs(x, 1e-6)
    maps = made.input_map.view(SPEC.num_agents, L + 1, -1, made.input_map.shape[-1])
    shifts = made.input_shift.view(SPEC.num_agents, L + 1, 1, -1)
    mapped = [
        (made.gather(x)[:, [r for r in range(len(x)) if slot(r, L) == place]].flatten(1, 2))
        @ maps[:, place]
        + shifts[:, place]
        for place in range(L + 1)
    ]
    for i in range(SPEC.num_agents):
        for place in range(L + 1):
            columns = SPEC.state_dims[i] if place == 0 else made.input_dims[i]
            covariance = torch.cov(mapped[place][i].t())
            expected = torch.zeros_like(covariance)
            kept = torch.linalg.eigvalsh(covariance) > 0.5
            assert int(kept.sum()) == columns
            big = covariance.diagonal() > 0.5
            expected[big, big] = 1.0
            torch.testing.assert_close(covariance, expected, atol=2e-3, rtol=0)


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


@pytest.mark.parametrize("make", [actor, critics])
def test_unknown_kinds_are_refused(make):
    with pytest.raises(ValueError, match="'deep', must be one of"):
        make(kind="deep")

"""MADDPG with fitted critics: what is fitted, when, and that runs stay the same to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_training import assert_equal, counts, run, tiny, weights

from policies import MADDPG
from policies.algorithms import fitted_update
from policies.algorithms.fitted_update import FittedUpdate
from policies.algorithms.maddpg_update import CRITIC
from policies.learning.quadratic_fit import fit_quadratic

FITTED = {"critic_net": "fitted", "actor_lr": 1e-2}


def larger(**settings):
    return tiny(**FITTED, **settings).stages(episodes=80, warmup_episodes=40)


def critic_of(algo):
    return algo.learner_group._learner.module[CRITIC].unwrapped().network


def test_the_critic_is_the_games_own_reward(ray_session):
    """-(x + a_1 + a_2 ...)^2 and the like are quadratics: nothing is left, and nothing learnt."""
    algo = larger().build_algo()
    for _ in range(2):
        algo.train()
    critic, rows = critic_of(algo), algo.memory
    assert algo.exact and not critic.size.any()
    state, action = (torch.from_numpy(rows.column(name)) for name in ("inputs", "action"))
    value = critic(state, action[None])[0].detach()
    reward = torch.from_numpy(rows.column("reward"))[:, 0]
    assert float((value - reward).abs().max()) < 1e-3 * float(reward.std())
    # What is exact needs no more rows from around the actors: all were collected at once.
    assert algo.counts.episodes == 80
    algo.stop()


def test_fits_use_the_rows_of_earlier_stages(ray_session, monkeypatch):
    seen, fit = [], FittedUpdate.fit

    def watched(self, rows, near, inputs, rng):
        seen.append((len(rows["state"]), int(near.sum()), len(inputs)))
        return fit(self, rows, near, inputs, rng)

    monkeypatch.setattr(FittedUpdate, "fit", watched)
    algo = larger().build_algo()
    run(algo)
    algo.stop()
    assert seen == [(40, 0, 40), (80, 40, 80), (160, 80, 80)]


def test_what_is_not_quadratic_is_left_to_the_network():
    rng = torch.Generator().manual_seed(0)
    z = torch.rand(4_000, 2, generator=rng) * 2 - 1
    bent = -z.square().sum(1) - 4 * (z[:, 1] - 0.3).clamp(min=0.0)
    update = made_update()
    rows = {"state": z[:, :1], "action": z[:, 1:], "reward": bent[:, None]}
    near = torch.ones(4_000, dtype=torch.bool)
    figures = update.fit(rows, near, z[:, :1], torch.Generator().manual_seed(1))
    assert figures["fit_error"] < 0.5 * figures["quadratic_error"]
    assert not figures["exact"] and update.critic.size.all()
    value = update.critic(z[:, :1], z[None, :, 1:])[0].detach()
    assert float((value - bent).square().mean().sqrt() / bent.std()) < 0.05
    # Where rewards turn out quadratic it is switched off again.
    rows["reward"] = -z.square().sum(1, keepdim=True)
    assert update.fit(rows, near, z[:, :1], rng)["exact"]
    assert not update.critic.size.any()


def test_noise_switches_the_network_off():
    rng = torch.Generator().manual_seed(0)
    z = torch.rand(1_000, 2, generator=rng) * 2 - 1
    reward = -z.square().sum(1) + 0.3 * torch.randn(1_000, generator=rng)
    update = made_update()
    rows = {"state": z[:, :1], "action": z[:, 1:], "reward": reward[:, None]}
    update.fit(rows, torch.ones(1_000, dtype=torch.bool), z[:, :1], rng)
    assert not update.critic.size.any()


def test_rows_around_the_actors_count_more_where_they_know_better():
    """Far rows tell of another function."""
    rng = torch.Generator().manual_seed(0)
    z = torch.rand(2_000, 2, generator=rng) * 2 - 1
    near = torch.arange(2_000) >= 1_000
    reward = -z.square().sum(1) + torch.where(near, 0.0, 3.0 * z[:, 1])
    update = made_update()
    rows = {"state": z[:, :1], "action": z[:, 1:], "reward": reward[:, None]}
    update.fit(rows, near, z[:, :1], rng)
    quadratic = update.critic.quadratic
    slope = quadratic.linear - 2 * quadratic.mean @ quadratic.matrix[0]
    assert float(slope[0, 1].abs()) < 0.3  # 1.5 if all rows counted the same


def made_update():
    from policies.algorithms.maddpg_update import UpdateRule
    from policies.contract.joint_spec import JointSpec
    from policies.networks.actors import TeamActor
    from policies.networks.fitted_critics import FittedCritics

    spec = JointSpec(("a",), (1,), (1,), (1,))
    torch.manual_seed(0)
    actor, target = (TeamActor(spec, 1, kind="plain", width=8) for _ in range(2))
    critic, target_critic = (FittedCritics(1, spec, width=32) for _ in range(2))
    optimizers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in (actor, critic)]
    rule = UpdateRule(0.0, 0.01, True)
    return FittedUpdate(rule, actor, target, critic, target_critic, *optimizers)


@pytest.mark.parametrize("after", [1, 4])
def test_a_restored_run_goes_on_bit_by_bit(after, ray_session, tmp_path, monkeypatch):
    monkeypatch.setattr(fitted_update, "EXACT", 0.0)  # so that the network learns too
    monkeypatch.setattr(fitted_update, "REST_STEPS", 5)
    algo = larger().build_algo()
    for _ in range(after):
        algo.train()
    algo.save_to_path(str(tmp_path))
    other = MADDPG.from_checkpoint(str(tmp_path))
    for one in (algo, other):
        run(one)
    assert_equal(weights(algo), weights(other))
    assert str(counts(algo)) == str(counts(other))
    for one in (algo, other):
        one.stop()


def test_two_learners_fit_what_one_fits(ray_session):
    found = []
    for learners in (0, 2):
        algo = larger().learners(num_learners=learners).build_algo()
        algo.train()
        found.append(weights(algo))
        algo.stop()
    for name in ("matrix", "linear", "constant"):
        key = next(k for k in found[0] if k.startswith(CRITIC) and k.endswith(f"network.{name}"))
        np.testing.assert_array_equal(found[0][key], found[1][key])


def test_a_fit_that_is_exact_on_new_rows_too_is_kept(monkeypatch):
    fitted = []
    monkeypatch.setattr(
        fitted_update,
        "fit_quadratic",
        lambda *rows: fitted.append(len(rows[0])) or fit_quadratic(*rows),
    )
    rng = torch.Generator().manual_seed(0)
    update = made_update()
    for count, factor in ((400, 1.0), (600, 1.0), (600, 1.001)):
        z = torch.rand(count, 2, generator=rng) * 2 - 1
        rows = {"state": z[:, :1], "action": z[:, 1:]}
        rows["reward"] = factor * -z.square().sum(1, keepdim=True)
        figures = update.fit(rows, torch.zeros(count, dtype=torch.bool), z[:, :1], rng)
        assert figures["exact"] and figures["fit_error"] < 1e-5
    assert fitted == [400, 600]  # and not where nothing has changed

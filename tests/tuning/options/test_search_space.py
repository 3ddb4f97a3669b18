"""What a sweep searches, as words and as Tune takes it."""

from __future__ import annotations

from ray.tune.search.sample import Categorical, Float, Integer, LogUniform, Uniform

from tuning.commands.sweep import SweepArgs, training
from tuning.options.search_space import Choice, Range, read_space
from tuning.training.configuration import make_config


def test_words_become_dimensions():
    words = ["actor_lr=1e-4..1e-2", "sigma=0..0.5", "actor_width=16..64", "critic_net=paper/"]
    words[-1] += "quadratic-residual"
    space = read_space(words)
    assert space.dimensions == (
        Range("actor_lr", "actor_lr", 1e-4, 1e-2, whole=False),
        Range("sigma", "sigma", 0.0, 0.5, whole=False),
        Range("actor_width", "actor_width", 16, 64, whole=True),
        Choice("critic_net", "critic_net", ("paper", "quadratic-residual")),
    )
    domains = space.domains(grid=False)
    assert isinstance(domains["actor_lr"], Float)
    assert isinstance(domains["actor_lr"].sampler, LogUniform)
    assert isinstance(domains["sigma"].sampler, Uniform)  # no log scale begins at 0
    assert not isinstance(domains["sigma"].sampler, LogUniform)
    assert isinstance(domains["actor_width"], Integer)
    drawn = {domains["actor_width"].sample() for _ in range(2000)}
    assert {type(number) for number in drawn} == {int} and min(drawn) == 16 and max(drawn) == 64
    assert isinstance(domains["critic_net"], Categorical)


def test_each_stage_may_have_its_own_range():
    space = read_space(["critic_lr=1e-3..1e-2,5e-4", "sigma=0.3/0.3,0.1"])
    assert [d.key for d in space.dimensions] == ["critic_lr.1", "critic_lr.2", "sigma"]
    assert [d.key for d in space.searched] == ["critic_lr.1", "sigma"]  # 5e-4 is fixed
    config = {"critic_lr.1": 0.004, "critic_lr.2": "5e-4", "sigma": "0.3,0.1"}
    assert space.words(config) == {"critic_lr": "0.004,5e-4", "sigma": "0.3,0.1"}
    args = SweepArgs(search=("critic_lr=1e-3..1e-2,5e-4", "sigma=0.3/0.3,0.1"))
    built = make_config(training(args, config))
    assert (built.critic_lr, built.sigma) == ([0.004, 5e-4], [0.3, 0.1])


def test_probes_hold_every_value_in_every_structure():
    space = read_space(["stages=1/2", "tau=1e-3..1e-2", "actor_width=16/32/64"])
    probes = list(space.probes())
    assert len(probes) == 2 * (1 + 1 + 2)
    for stages in ("1", "2"):
        of_stage = [probe for probe in probes if probe["stages"] == stages]
        assert {probe["tau"] for probe in of_stage} == {1e-3, 1e-2}
        assert {probe["actor_width"] for probe in of_stage} == {"16", "32", "64"}


def test_perturbed_values_stay_within_their_bounds():
    space = read_space(["tau=0.1..1", "sigma=0.1/0.3"])
    assert space.clipped({"tau": 1.2, "sigma": "0.1"}) == {"tau": 1, "sigma": "0.1"}
    assert space.clipped({"tau": 0.08, "sigma": "0.3"}) == {"tau": 0.1, "sigma": "0.3"}

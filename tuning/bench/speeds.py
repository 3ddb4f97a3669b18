"""Speeds of one training's parts, each beside another way to do the same."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from rich.console import Console

from policies.algorithms.maddpg import MADDPG
from rllib_grid import AcDispatch, CvxpyDispatch, JointGridEnv, OptimalDispatch, make_case
from rllib_grid.extras import extra_module
from tuning.bench import critic_fit
from tuning.bench.measuring import LANES, Rates, Sides, rate_table, rates_of, write_rates
from tuning.bench.plain_loop import PlainLoop
from tuning.bench.scaling import run_scaling
from tuning.bench.second_stage import (
    UPDATES,
    bare_updates,
    minibatches,
    sample,
    second_stage,
    update,
)
from tuning.cluster.local_ray import local_ray
from tuning.commands.bench import BenchArgs
from tuning.judging.evaluation import test_states
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run


def run_bench(args: BenchArgs) -> None:
    """Measure everything, print a table and write ``bench.json``; with ``scaling`` see `scaling`.

    Args:
        args: See `BenchArgs`.
    """
    if args.scaling:
        run_scaling(args)
        return
    extra_module("cvxpy", "bench")  # before anything is measured
    torch.set_num_threads(1)
    run = create_run(args.out, f"bench-{args.case}")
    results: Rates = {}
    console = Console(highlight=False)
    with local_ray(1):
        algo = second_stage(Recipe(case=args.case, seed=args.seed), LANES)
        for name, sides in (
            ("joint environment, steps/s", _environment(args)),
            ("AC environment, steps/s", _ac_environment(args)),
            ("sampling through the RLlib runner, steps/s", _sampling(algo)),
            ("learner, updates/s", _learner(algo)),
            (
                "critic in closed form, rows/s of an iteration",
                critic_fit.iteration_at_training_size(args.case, args.seed),
            ),
            ("critic in closed form, fits/s", critic_fit.whole(args.case, args.seed)),
            ("optimal dispatch, states/s", _dispatch(args)),
            ("one decision, per s", _decision(algo, args)),
        ):
            console.print(f"measuring {name} ...")
            results[name] = rates_of(sides, args.seconds)
        algo.stop()
    console.print(rate_table("bench", results))
    write_rates(run.path / "bench.json", args.case, results)
    print(f"{run.path}: bench.json")


def _ac_environment(args: BenchArgs) -> Sides:
    linear, ac = (_environment(args, physics) for physics in ("lindistflow", "ac"))
    return {"LinDistFlow, reset and step": linear["reset and step"], **ac}


def _environment(args: BenchArgs, physics: str = "lindistflow") -> Sides:
    env = JointGridEnv(make_case(args.case, physics=physics), LANES, args.seed)
    rng = np.random.default_rng(args.seed)
    shape = (LANES, env.reset().shape[1])
    action = rng.uniform(-1.0, 1.0, shape).astype(np.float32)

    def step() -> int:
        env.reset()
        env.step(action)
        return LANES

    def probe() -> int:
        env.probe(action)
        return LANES

    return {"reset and step": step, "probe": probe}


def _sampling(algo: MADDPG) -> Sides:
    return {"two stages": partial(sample, algo, LANES)}


def _learner(algo: MADDPG) -> Sides:
    """The same updates: through RLlib, by the bare step function, by a plain loop over agents."""
    bare = bare_updates(algo)
    plain = PlainLoop(bare.team, bare.rates, bare.tau)
    rng = np.random.default_rng(0)

    def without_rllib() -> int:
        for batch in minibatches(algo, rng):
            bare.step(batch)
        return UPDATES

    def loop() -> int:
        for batch in minibatches(algo, rng):
            plain.update(batch)
        return UPDATES

    return {
        "through RLlib": partial(update, algo),
        "the same step without RLlib": without_rllib,
        "plain loop over agents": loop,
    }


def _dispatch(args: BenchArgs) -> Sides:
    case = make_case(args.case)
    p_base_kw, q_base_kvar = test_states(case)
    batched, one_by_one = OptimalDispatch(case), CvxpyDispatch(case)
    ac = AcDispatch(case.replace(s_max_kva=None, branch_limit_kva=None))

    def batch() -> int:
        batched.solve(p_base_kw, q_base_kvar)
        return len(p_base_kw)

    def ac_batch() -> int:
        ac.solve(p_base_kw, q_base_kvar)
        return len(p_base_kw)

    def loop() -> int:
        one_by_one.solve(p_base_kw[:10], q_base_kvar[:10])
        return 10

    return {"batched": batch, "batched, AC": ac_batch, "cvxpy loop": loop}


def _decision(algo: MADDPG, args: BenchArgs) -> Sides:
    """An agent's two decisions for one state against one central solve."""
    case = make_case(args.case)
    p_base_kw, q_base_kvar = test_states(case, 1)
    agent = case.agents[0]
    controller = algo.controllers()[agent]
    own = np.asarray(controller.signature["buses"]) - 1
    state = np.concatenate([p_base_kw[0, own], q_base_kvar[0, own]])
    v_pu = np.full(own.size, case.v_head_pu)
    central = CvxpyDispatch(case)

    def decide() -> int:
        prototype, _ = controller.take(1, state)
        controller.take(2, state, prototype, v_pu)
        return 1

    def solve() -> int:
        central.solve(p_base_kw, q_base_kvar)
        return 1

    return {"controller, both stages": decide, "central cvxpy solve": solve}

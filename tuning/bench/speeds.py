"""Speeds, measured side by side in one run, because machines differ and are noisy.

Each comparison takes its sides in turn, several times over, and reports medians; quote the ratios.
"""

from __future__ import annotations

import copy
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from policies.staged.algorithm import MADDPG, MINIBATCHES_PER_CALL
from policies.staged.learner import MADDPGLearner
from policies.staged.update import UpdateRule
from rllib_grid import AcDispatch, CvxpyDispatch, JointGridEnv, OptimalDispatch, make_case
from rllib_grid.extras import extra_module
from tuning.bench.plain_loop import PlainLoop
from tuning.cluster.local_ray import local_ray
from tuning.commands.bench import BenchArgs
from tuning.judging.evaluation import test_states
from tuning.options.presets import make_config
from tuning.options.train_args import TrainArgs
from tuning.records.files import write_json
from tuning.records.provenance import versions
from tuning.records.run_folder import create_run

ROUNDS = 5  # turns of each side of a comparison
LANES = 4096  # feeders stepped at once

Sides = dict[str, Callable[[], int]]
Rates = dict[str, dict[str, float]]  # by what is measured, then by side


def run_bench(args: BenchArgs) -> None:
    """Measure everything, print a table and write ``bench.json``; with ``scaling`` see `scaling`.

    Args:
        args: See `BenchArgs`.
    """
    if args.scaling:
        from tuning.bench.scaling import run_scaling  # it imports this room

        run_scaling(args)
        return
    extra_module("cvxpy", "bench")  # before anything is measured
    torch.set_num_threads(1)
    run = create_run(args.out, f"bench-{args.case}")
    turn = args.seconds / ROUNDS
    results: Rates = {}
    console = Console(highlight=False)
    with local_ray(1):
        algo = second_stage(TrainArgs(case=args.case, seed=args.seed), LANES)
        for name, sides in (
            ("joint environment, steps/s", _environment(args)),
            ("AC environment, steps/s", _ac_environment(args)),
            ("sampling through the RLlib runner, steps/s", _sampling(algo)),
            ("learner, updates/s", _learner(algo)),
            ("optimal dispatch, states/s", _dispatch(args)),
            ("one decision, per s", _decision(algo, args)),
        ):
            console.print(f"measuring {name} ...")
            results[name] = compare(sides, turn)
        algo.stop()
    console.print(table("bench", results))
    write_rates(run.path / "bench.json", args.case, results)
    print(f"{run.path}: bench.json")


def compare(sides: Sides, seconds: float) -> dict[str, float]:
    """Rates of several ways to do a thing, measured in turns.

    Args:
        sides: Each does some work when called and returns how much it did.
        seconds: For each side in each round.

    Returns:
        Median over the rounds of work per second, by side.
    """
    for side in sides.values():
        side()  # what is made at first use
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            done, started = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - started) < seconds:
                done += side()
            rates[name].append(done / elapsed)
    return {name: statistics.median(values) for name, values in rates.items()}


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


def second_stage(args: TrainArgs, lanes: int) -> MADDPG:
    """A training at the beginning of its second stage, which does not end.

    Args:
        args: what to train, in as many processes as they say.
        lanes: feeders stepped at once, and episodes of the first stage.
    """
    args = replace(args, episodes=(lanes, 10_000_000), num_envs=lanes)
    config = make_config(args).stages(updates_per_episode=1e-3, updates_per_iteration=1)
    config.stages(validation_episodes=100)
    algo: MADDPG = config.build_algo()
    while algo.progress()["stage"] == 1 or algo.progress()["updates"] == 0:
        algo.train()
    return algo


def _sampling(algo: MADDPG) -> Sides:
    runner = algo.env_runner_group.local_env_runner
    calls = iter(range(10**9))

    def two_stages() -> int:
        return len(runner.collect(LANES, (next(calls),), 0.1).returns)

    return {"two stages": two_stages}


def _learner(algo: MADDPG) -> Sides:
    """The same updates: through RLlib, by the bare step function, by a plain loop over agents."""
    config, replay = algo.config, algo.replay
    learner: MADDPGLearner = algo.learner_group._learner
    team = copy.deepcopy(learner.team())
    rule = UpdateRule(config.gamma, config.tau, config.actor_step == "joint")
    plain = PlainLoop(team, (config.actor_lr[-1], config.critic_lr[-1]), config.tau)
    rng = np.random.default_rng(0)
    size = config.minibatch_size

    def minibatches() -> list[dict[str, torch.Tensor]]:
        rows = replay.sample(rng, MINIBATCHES_PER_CALL * size)
        columns = {name: torch.from_numpy(column) for name, column in rows.items()}
        return [
            {name: column[i * size : (i + 1) * size] for name, column in columns.items()}
            for i in range(MINIBATCHES_PER_CALL)
        ]

    def through_rllib() -> int:
        algo.update(MINIBATCHES_PER_CALL)
        return MINIBATCHES_PER_CALL

    def bare() -> int:
        for batch in minibatches():
            team.update(batch, rule)
        return MINIBATCHES_PER_CALL

    def loop() -> int:
        for batch in minibatches():
            plain.update(batch)
        return MINIBATCHES_PER_CALL

    return {
        "through RLlib": through_rllib,
        "the same step without RLlib": bare,
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


def table(title: str, results: Rates) -> Table:
    """Rates and ratios, to be printed."""
    table = Table("measured", "how", "rate", "ratio to it", box=box.SIMPLE, title=title)
    for column in table.columns[2:]:
        column.justify = "right"
    for name, rates in results.items():
        first = next(iter(rates.values()))
        for i, (how, rate) in enumerate(rates.items()):
            ratio = "" if i == 0 else f"{first / rate:,.2f}"
            digits = 0 if rate >= 100 else 1
            table.add_row(name if i == 0 else "", how, f"{rate:,.{digits}f}", ratio)
    table.caption = "ratio: the first way's rate over this way's"
    return table


def write_rates(path: Path, case: str, results: Rates) -> None:
    """Write rates with what they were measured on, atomically."""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    content = {"case": case, "machine": machine, "versions": versions(), "rates": results}
    write_json(path, content)

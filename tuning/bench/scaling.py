"""How cost grows with processes, agents and buses, measured side by side in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console

from policies.algorithms.maddpg import MADDPG
from rllib_grid import JointGridEnv, make_case
from tuning.bench import critic_fit
from tuning.bench.measuring import LANES, Rates, Sides, rate_table, rates_of, write_rates
from tuning.bench.second_stage import sample, second_stage, update
from tuning.cluster.local_ray import local_ray
from tuning.commands.bench import BenchArgs
from tuning.drawing.pictures import GREY, save_picture
from tuning.options.recipe import Recipe
from tuning.records.run_folder import create_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROCESSES = (0, 1, 2)  # beside this one
BY_AGENTS = {m: f"synthetic-12-{m}" for m in (2, 4, 6, 12)} | {100: "synthetic-100-100"}
BY_BUSES = {n: f"synthetic-{n}-12" for n in (12, 30, 100, 300, 1000)}
GROWTH_LANES = 1000  # fewer than `LANES`, for feeders of 1,000 buses

FITTED_BUSES = 300  # most for which the fit is measured: it has 9 n^2 / 2 unknowns
FITTED_ROWS = 4_096

_UPDATES, _STEPS, _FIT = "updates/s", "environment steps/s", "rows/s of an iteration of the fit"
_GROWTH = {"agents": BY_AGENTS, "buses": BY_BUSES}
_LINES = {_UPDATES: ("#0072b2", "one update"), _STEPS: ("#d55e00", "one environment step")}


def run_scaling(args: BenchArgs) -> None:
    """Measure, print a table, and write ``scaling.json`` and ``scaling.png``.

    Args:
        args: See `BenchArgs`; the case is that of the processes, feeders that grow are synthetic.
    """
    torch.set_num_threads(1)
    run = create_run(args.out, f"scaling-{args.case}")
    results: Rates = {}
    console = Console(highlight=False)

    def measure(name: str, sides: Sides) -> None:
        console.print(f"measuring {name} ...")
        results[name] = rates_of(sides, args.seconds)

    def measure_algorithms(
        name: str, work: Callable[[MADDPG], int], recipes: Mapping[str, Recipe], lanes: int
    ) -> None:
        algorithms = {side: second_stage(recipe, lanes) for side, recipe in recipes.items()}
        measure(name, {side: partial(work, algo) for side, algo in algorithms.items()})
        for algo in algorithms.values():
            algo.stop()

    with local_ray(1 + sum(PROCESSES)):
        recipe = partial(Recipe, seed=args.seed)
        runners = {_processes(n): recipe(case=args.case, num_env_runners=n) for n in PROCESSES}
        measure_algorithms(
            "sampling, steps/s by env runners", partial(sample, lanes=LANES), runners, LANES
        )
        learners = {_processes(n): recipe(case=args.case, num_learners=n) for n in PROCESSES}
        measure_algorithms(f"{_UPDATES} by learners", update, learners, LANES)
        for by, cases in _GROWTH.items():
            recipes = {case: recipe(case=case) for case in cases.values()}
            measure_algorithms(f"{_UPDATES} by {by}", update, recipes, GROWTH_LANES)
            environments = {case: _environment(case, args.seed) for case in cases.values()}
            measure(f"{_STEPS} by {by}", environments)
        fits = {
            case: critic_fit.iteration(case, FITTED_ROWS, args.seed)[critic_fit.FIT]
            for size, case in _GROWTH["buses"].items()
            if size <= FITTED_BUSES
        }
        measure(f"{_FIT} by buses", fits)
    console.print(rate_table("scaling", results))
    write_rates(run.path / "scaling.json", args.case, results)
    save_picture(run.path / "scaling.png", partial(_draw, results))
    print(f"{run.path}: scaling.json, scaling.png")


def _processes(count: int) -> str:
    return f"{count} remote" if count else "in this process"


def _environment(case: str, seed: int) -> Callable[[], int]:
    env = JointGridEnv(make_case(case), GROWTH_LANES, seed)
    shape = env.reset().shape
    action = np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)

    def step() -> int:
        env.reset()
        env.step(action)
        return GROWTH_LANES

    return step


def _draw(results: Rates, axes: Axes) -> None:
    """Time of one update and of one step against size, both relative to the smallest."""
    for by, cases in _GROWTH.items():
        sizes = list(cases)
        marker = "o-" if by == "agents" else "s-"
        for what, (colour, label) in _LINES.items():
            rates = [results[f"{what} by {by}"][case] for case in cases.values()]
            face = colour if by == "agents" else "white"
            times = [rates[0] / rate for rate in rates]
            axes.plot(sizes, times, marker, color=colour, mfc=face, label=f"{label}, {by}")
        line = axes.plot(sizes, [size / sizes[0] for size in sizes], ":", color=GREY, linewidth=1)
    line[0].set_label("in proportion to size")
    axes.set(xscale="log", yscale="log", ylabel="time, relative to the smallest")
    axes.set_xlabel("agents on 12 buses (the 100 on 100 buses), or buses of 12 agents")
    axes.legend(frameon=False)

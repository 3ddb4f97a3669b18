"""The one table of settings: of every algorithm, with bounds, defaults and words.

`XConfig.training(...)` and its check, ``--settings``, ``--config``, ``sweep --search``, ``ablate``
and the table in the documentation are made from it. The defaults are the best that this project
knows on its own cases.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.staged.setting import Setting

MADDPG = "maddpg"
MA_RDPG = "ma-rdpg"
_STAGED = (MADDPG,)
_DETERMINISTIC = (MADDPG, MA_RDPG)
_RECURRENT = (MA_RDPG,)

_TABLE = (
    # --- learning -------------------------------------------------------------------------
    Setting("gamma", float, 0.0, "discount per time step", high=1.0, closed=True, below=True),
    Setting(
        "actor_lr",
        float,
        None,
        "Adam's rate of the actors; several numbers: one per stage, the last for all later ones; "
        "none: 0.002, or beside fitted critics 0.01, less where a case has more than 50 directions",
        several=8,
        optional=True,
        differs={MA_RDPG: {"default": (3e-3,)}},
    ),
    Setting(
        "critic_lr",
        float,
        (3e-3, 1e-3),
        "the same for the critics",
        several=8,
        families=_DETERMINISTIC,
    ),
    Setting(
        "lr_decay",
        str,
        "cosine",
        "rates fall to zero along a cosine in each stage, or stay",
        choices=("cosine", "constant"),
    ),
    Setting("minibatch_size", int, 256, "rows per update"),
    Setting(
        "replay_capacity",
        int,
        1_000_000,
        "rows of the replay buffer",
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": 5_000}},
    ),
    Setting(
        "reward_scale",
        float,
        None,
        "factor on rewards before they are learnt; none: random actions spread them by 6",
        optional=True,
        differs={MA_RDPG: {"default": 0.5}},
    ),
    Setting(
        "tau",
        float,
        0.002,
        "step of the target networks; the target actors are an average of recent weights, which "
        "is validated and may be frozen beside the current ones",
        high=1.0,
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": 0.005}},
    ),
    Setting(
        "critic_tau",
        float,
        None,
        "step of the target critics, none for that of tau; at gamma > 0 a horizon of T steps needs "
        "some T / critic_tau updates to come through",
        high=1.0,
        optional=True,
        families=_STAGED,
    ),
    Setting(
        "actor_step",
        str,
        "joint",
        "joint: all agents act as their current actors do; own, as the paper: the others' actions "
        "are those of the minibatch",
        choices=("joint", "own"),
        families=_DETERMINISTIC,
    ),
    Setting(
        "target_input",
        str,
        "probe",
        "what target actors of later stages see at s' if gamma > 0: probe (s', a~', o') as when "
        "acting, or literal (s', a, o') as Algorithm 1 is printed",
        choices=("probe", "literal"),
        families=_STAGED,
    ),
    # --- networks -------------------------------------------------------------------------
    Setting(
        "critic",
        str,
        "shared",
        "shared: one for all agents on the shared reward (MADDPG-1); separate: one per agent on "
        "the agents' rewards (MADDPG-2)",
        "networks",
        choices=("shared", "separate"),
        families=_DETERMINISTIC,
    ),
    Setting(
        "critic_net",
        str,
        None,
        "fitted: a quadratic fitted to all rows in closed form, with a small network for the rest; "
        "learnt by descent: a concave quadratic with such a network, one that may bend upwards "
        "along the state (for gamma > 0), or the paper's; none: fitted, but quadratic-residual at "
        "gamma > 0 and where the episodes that are given are too few for a fit",
        "networks",
        choices=("fitted", "quadratic-residual", "saddle-residual", "paper"),
        optional=True,
        families=_DETERMINISTIC,
        differs={
            MA_RDPG: {"default": "quadratic-residual", "choices": ("quadratic-residual", "paper")}
        },
    ),
    Setting("critic_width", int, 64, "units of hidden layers", "networks", families=_DETERMINISTIC),
    Setting(
        "critic_rows", int, 48, "rows of the quadratic part", "networks", families=_DETERMINISTIC
    ),
    Setting(
        "carry_critic",
        bool,
        True,
        "whether a stage begins with the critics of the one before, as Algorithm 1, or afresh",
        "networks",
        families=_STAGED,
    ),
    Setting(
        "actor_net",
        str,
        "plain",
        "network of the actors: SiLU beside a linear map, clipped, or the paper's",
        "networks",
        choices=("plain", "paper"),
    ),
    Setting("actor_width", int, 64, "units of the actors' hidden layers", "networks"),
    Setting(
        "full_state",
        bool,
        False,
        "whether every actor sees the whole joint state: a yardstick, no decentralised control",
        "networks",
        families=_STAGED,
        fixed_by="--algorithm",
    ),
    Setting(
        "whiten_inputs",
        bool,
        True,
        "whether a stage begins by fixing an affine map that whitens the actors' inputs as the "
        "warm-up has shown them",
        "networks",
    ),
    Setting(
        "whiten_floor",
        float,
        1e-2,
        "relative standard deviation below which an axis is no longer magnified in full",
        "networks",
        differs={MA_RDPG: {"default": 1e-3}},
    ),
    # --- stages ---------------------------------------------------------------------------
    Setting(
        "num_stages",
        int,
        1,
        "stages K",
        "stages",
        families=_STAGED,
        fixed_by="--stages",
    ),
    Setting(
        "rounds",
        int,
        1,
        "how often the last stage is applied, each time to the pair that it has brought about "
        "itself; in training drawn from 1..rounds",
        "stages",
        families=_STAGED,
        fixed_by="--algorithm",
    ),
    Setting(
        "episodes",
        int,
        None,
        "rewarded trajectories of each stage, warm-up included; one number serves all; none: what "
        "fitted critics need, 20,000 in all at least, and 10,000 a stage for others",
        "stages",
        several=64,
        optional=True,
        differs={MA_RDPG: {"default": (20_000,)}},
        fixed_by="--episodes",
    ),
    Setting(
        "updates_per_episode",
        float,
        None,
        "updates of critics and actors per episode; several numbers: one per stage; none: 1, and "
        "6,000 in the first and 14,000 in each later stage where episodes are left open too",
        "stages",
        closed=True,
        several=64,
        optional=True,
        differs={MA_RDPG: {"default": (0.6,)}},
    ),
    Setting(
        "warmup_episodes",
        int,
        None,
        "episodes before the first update of a stage, at most half of it, and all of it before a "
        "fit; with random actions in the first stage, by the fresh actors with noise later; none: "
        "1,000, or what fitted critics need",
        "stages",
        optional=True,
        differs={MA_RDPG: {"default": 1_000}},
    ),
    Setting(
        "collect_share",
        float,
        0.5,
        "share of a stage's updates over which its episodes are collected",
        "stages",
        high=1.0,
        differs={MA_RDPG: {"default": 0.95}},
    ),
    Setting(
        "updates_per_iteration",
        int,
        250,
        "updates per call of train; validation follows each",
        "stages",
    ),
    Setting(
        "max_episode_steps",
        int,
        10_000,
        "steps after which a trajectory that has not ended is refused",
        "stages",
    ),
    Setting(
        "validation_episodes",
        int,
        None,
        "trajectories that only select which actors are frozen; none: 2,000, and 10,000 where "
        "bounds are held",
        "stages",
        optional=True,
        differs={MA_RDPG: {"default": 2_000}},
    ),
    Setting(
        "validation_seed",
        int,
        0,
        "of their stream, which no training stream meets",
        "stages",
        closed=True,
    ),
    Setting(
        "selection",
        str,
        "best",
        "which actors a stage ends with: the best on validation, or those that it trained last",
        "stages",
        choices=("best", "last"),
    ),
    # --- exploration ----------------------------------------------------------------------
    Setting(
        "noise",
        str,
        "gaussian",
        "exploration noise",
        "exploration",
        choices=("gaussian", "ornstein-uhlenbeck"),
        families=_DETERMINISTIC,
    ),
    Setting(
        "sigma",
        float,
        (0.3,),
        "its standard deviation in units of the scaled action [-1, 1]; two numbers run linearly "
        "from the first to the second over each stage",
        "exploration",
        closed=True,
        several=2,
    ),
    # --- bounds on what is measured ---------------------------------------------------------
    Setting(
        "constraint",
        str,
        "auto",
        "lagrangian: actors hold the bounds that the environment sets on what is measured under a "
        "rewarded action, and the reward holds no penalty for them; auto: so where random actions "
        "show that the bounds may be reached",
        "bounds",
        choices=("auto", "none", "lagrangian"),
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": "none"}},
    ),
    Setting(
        "constraint_share",
        float,
        1e-4,
        "share of the validation states in which a bound may be exceeded",
        "bounds",
        closed=True,
        high=1.0,
        families=_DETERMINISTIC,
    ),
    Setting(
        "constraint_price",
        float,
        None,
        "multipliers that a stage begins with, reward per unit of observation; here and below of "
        "probing stages and of the last one; none: from the spread of rewards and observations",
        "bounds",
        closed=True,
        optional=True,
        several=2,
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": (1.5, 150.0)}},
    ),
    Setting(
        "constraint_margin",
        float,
        None,
        "by which the bounds are tightened for the actors, in units of the observation; none: "
        "found in the last stage, from what validation shows outside",
        "bounds",
        closed=True,
        optional=True,
        several=2,
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": (0.0, 0.004)}},
    ),
    Setting(
        "constraint_curvature",
        float,
        None,
        "weight of half the squared excess, reward per squared unit of observation; none: as the "
        "price",
        "bounds",
        closed=True,
        optional=True,
        several=2,
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": (0.0,)}},
    ),
    Setting(
        "constraint_step",
        float,
        None,
        "rise of the multipliers with an update, per unit of mean excess; none: as the price",
        "bounds",
        closed=True,
        optional=True,
        several=2,
        families=_DETERMINISTIC,
        differs={MA_RDPG: {"default": (0.0, 10.0)}},
    ),
    # --- recurrence -------------------------------------------------------------------------
    Setting(
        "num_rounds",
        int,
        2,
        "rounds L per time step on one held state; the last is rewarded, the others are probed",
        "recurrence",
        families=_RECURRENT,
    ),
    Setting(
        "time_steps",
        int,
        1,
        "length T of every trajectory; hidden states go on from one time step to the next",
        "recurrence",
        families=_RECURRENT,
    ),
    Setting(
        "memory_width",
        int,
        32,
        "width of the hidden states of actors and critics",
        "recurrence",
        families=_RECURRENT,
    ),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _TABLE}


def settings_of(family: str) -> dict[str, Setting]:
    """The table as a family of algorithms has it, in the order of `SETTINGS`."""
    return {
        name: setting.of(family)
        for name, setting in SETTINGS.items()
        if not setting.families or family in setting.families
    }


def shared_settings() -> dict[str, Setting]:
    """What every algorithm in stages has; an algorithm of one's own begins with these."""
    return {name: setting for name, setting in SETTINGS.items() if not setting.families}

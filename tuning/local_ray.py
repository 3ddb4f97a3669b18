"""A Ray of our own on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

OBJECT_STORE_BYTES = 256 * 1024**2


def prepare_environment() -> None:
    """Set what Ray and torch read when they are imported; call it before that.

    Where Ray has been imported already, its mode of authentication stands and is left alone.
    """
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one torch thread per process


@contextmanager
def local_ray(num_cpus: int) -> Iterator[None]:
    """Start Ray for this process, and end it with the block; a running one is used as it is.

    Ray listens on all interfaces of the machine; a token that only this process and its children
    know guards it.

    Args:
        num_cpus: Slots for runners and learners; not fewer than this machine's cores are offered.
    """
    prepare_environment()
    import ray

    quiet_rllib()
    if ray.is_initialized():  # somebody else's, who will also end it
        yield
        return
    ray.init(
        address="local",
        num_cpus=max(num_cpus, os.cpu_count() or 1),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    try:
        yield
    finally:
        ray.shutdown()


def quiet_rllib() -> None:
    """Silence notices of RLlib and gymnasium that no user of ours can act on."""
    for name in ("ray.rllib", "ray.tune", "ray._private", "ray._common.deprecation"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(ray|gymnasium)\b")
    warnings.filterwarnings("ignore", message=".*Overriding environment.*")

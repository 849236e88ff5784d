"""Description of this installation, and of what would keep it from working, for `clew doctor`."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import disk_usage
from typing import Any

from clew.errors import ClusterError
from clew.kernels.cache import cache_folder, processor
from clew.version import __version__

PACKAGES = ("numpy", "numba", "scipy", "gymnasium", "ray", "nicegui", "matplotlib")
SHARED_MEMORY = Path("/dev/shm")  # Linux; Ray's object store lies there
MIN_SHARED_MEMORY = 2**30  # bytes


def describe_machine() -> tuple[dict[str, Any], list[str]]:
    """Describe this installation.

    Returns:
        (figures by name, problems in words).
    """
    problems = []
    folder = cache_folder()
    if folder is None:
        problems.append(
            "No folder for compiled kernels can be written, so every process compiles them. Set XDG_CACHE_HOME to a "
            "folder that only you can write."
        )
    figures: dict[str, Any] = {
        "clew": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": processor(),
        "processors": count_processors(),
        "kernel_cache": str(folder or "none"),
    }
    if SHARED_MEMORY.is_dir():
        free = disk_usage(SHARED_MEMORY).free
        few = "; Ray's object store is slower without 1 GiB: in a container, docker run --shm-size=4g"
        figures["shared_memory"] = f"{free / 2**30:.1f} GiB free{few if free < MIN_SHARED_MEMORY else ''}"
    address = os.environ.get("RAY_ADDRESS")
    figures["cluster"] = "none; RAY_ADDRESS is not set, so a local Ray is started for actors"
    if address:
        try:
            figures["cluster"] = _describe_cluster(address)
        except ClusterError as error:
            figures["cluster"] = address
            problems.append(f"RAY_ADDRESS is set, but there is {error}.")
    return figures, problems


def count_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _describe_cluster(address: str) -> str:
    from clew.distributed.cluster import connected, count_cpus, count_nodes  # imports Ray

    with connected(0):
        return f"{address}: {count_nodes()} hosts, {count_cpus()} processors"

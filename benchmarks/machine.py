"""The machine and the versions that figures are for."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.c import gcc_version


def describe() -> dict[str, str]:
    """What a reader needs to know to compare: processor, its number, system, versions, how busy it was."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "processors": str(os.cpu_count()),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("clew", "numpy", "numba", "gymnasium")},
        "gcc": gcc_version() or "none",
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }

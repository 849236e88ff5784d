"""The loop in C: compiles loop.c with gcc, and runs it with the streams that `clew.train_policy` draws from."""

import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from clew.kernels.sampling import Stream, new_stream

SOURCE = Path(__file__).parent / "loop.c"
# No fused multiply-add: it rounds once where two operations round twice, and the bits would differ.
FLAGS = ["-O3", "-march=native", "-ffp-contract=off"]
PLAIN, VECTORS = "C, gcc -O3", "C, gcc -O3, by hand with SSE"


class Run(NamedTuple):
    """What one call came to."""

    steps: int
    seconds: float  # of processor time
    checksum: int  # CRC-32 of the table


def gcc_version() -> str | None:
    """Version of gcc; None if there is none."""
    if shutil.which("gcc") is None:
        return None
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def compile_loops(folder: Path) -> dict[str, Path]:
    """Compile loop.c, as plain C and, on x86, with its vector instructions; returns the programs by name."""
    variants: dict[str, list[str]] = {PLAIN: []}
    if platform.machine() in ("x86_64", "AMD64"):
        variants[VECTORS] = ["-DVECTORS"]
    programs = {}
    for number, (name, flags) in enumerate(variants.items()):
        programs[name] = folder / f"loop-{number}"
        command = ["gcc", *FLAGS, *flags, "-o", str(programs[name]), str(SOURCE), "-lm"]
        subprocess.run(command, check=True)
    return programs


def lane_streams(seed: int, num_lanes: int) -> list[Stream]:
    """The stream of each episode that is played at a time, keyed as `clew.train_policy` keys them."""
    return [new_stream(seed, 0, 0)] if num_lanes == 1 else [new_stream(seed, 0, 0, k) for k in range(num_lanes)]


def run_c(
    program: Path, rows: int, columns: int, episodes: int, num_lanes: int, seed: int, max_steps: int | None = None
) -> Run:
    """Train on an open grid, with the step limit of `clew.Environment` unless told otherwise."""
    limit = 100 * rows * columns if max_steps is None else max_steps
    streams = [word for stream in lane_streams(seed, num_lanes) for word in stream]
    command = [str(program), *(str(number) for number in (rows, columns, episodes, limit, *streams))]
    steps, seconds, checksum = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return Run(int(steps), float(seconds), int(checksum))

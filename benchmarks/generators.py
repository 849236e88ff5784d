"""How long mazes take to make: `python -m benchmarks.generators [ROWSxCOLUMNS]`, 4096x4096 unless told otherwise.

Each kind is made in a process of its own, first small, so that its kernels are compiled, then once in full. Printed are
seconds of the whole `generate_maze`, checks and distances included, and the greatest memory of the process.
"""

import resource
import subprocess
import sys
import time

from clew.mazes import generate_maze
from clew.mazes.generators import GENERATORS


def measure(kind: str, rows: int, columns: int) -> tuple[float, float]:
    """Seconds for one maze, and the greatest memory of this process in gigabytes."""
    generate_maze(kind, 100, 100, **({"braid": 0.5} if "braid" in GENERATORS[kind].keys else {}))
    begun = time.perf_counter()
    generate_maze(kind, rows, columns, seed=1)
    seconds = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, memory / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> None:
    """Print a row for each kind."""
    size = sys.argv[1] if len(sys.argv) > 1 else "4096x4096"
    if len(sys.argv) > 2:
        rows, columns = map(int, size.split("x"))
        seconds, memory = measure(sys.argv[2], rows, columns)
        print(f"| {sys.argv[2]} | {seconds:.1f} | {memory:.2f} |")
        return
    print(f"| kind, {size} | seconds | GB |\n| --- | ---: | ---: |", flush=True)
    for kind in GENERATORS:
        subprocess.run([sys.executable, "-m", "benchmarks.generators", size, kind], check=True)


if __name__ == "__main__":
    main()

"""Use a wheel or an sdist as a newcomer does: installed in an empty environment, outside the checkout.

    python3.13 tests/smoke.py dist/clew-0.1.0-py3-none-any.whl           # with the newest versions that pip finds
    python3.11 tests/smoke.py dist/clew-0.1.0-py3-none-any.whl --lowest  # with the lowest versions that are declared

Each step is a command that must succeed; its time is printed. `make smoke` makes the file first. It takes minutes, most
of them for pip. The environment has the Python that runs this file.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted([*ROOT.glob("docs/lessons/*.ipynb"), *ROOT.glob("notebooks/*.ipynb")])
STEPS = """
clew train book --episodes 200 --out first
clew train book --simulations 2 --actors 2
clew solve 10x12 --slip 0.2
clew evaluate first
clew render first -o first.svg
clew render first -o first.gif
clew plot first -o first.png
clew compare sarsa q-learning --world cliff --seeds 5
clew doctor --self
"""


def main() -> None:
    """Install, then run all steps."""
    parser = argparse.ArgumentParser(description="Use a wheel or an sdist as a newcomer does.")
    parser.add_argument("file", type=Path, help="the wheel or the sdist")
    parser.add_argument("--lowest", action="store_true", help="install the lowest versions that are declared")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        own = {"PYTHONPATH": "", "PYTHONWARNINGS": "", "XDG_CACHE_HOME": str(folder / "cache")}
        environment = {**os.environ, **own, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        venv.create(folder / "env", with_pip=True)

        def run(*words: str) -> None:
            begin = time.perf_counter()
            program = shutil.which(words[0], path=str(programs)) or words[0]
            done = subprocess.run([program, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True)
            print(f"{time.perf_counter() - begin:6.1f} s  {' '.join(words)}", flush=True)
            if done.returncode:
                sys.exit(f"{done.stdout}{done.stderr}\nexit code {done.returncode}")

        extras = ["notebook", "plots", "web"]
        package = f"{given.file.resolve()}[{','.join(extras)}]"
        if given.lowest:
            run("python", "-m", "pip", "install", "--quiet", "uv")
            declared = ["--requirements", str(ROOT / "pyproject.toml"), *(f"--extra={each}" for each in extras)]
            lowest = ["--resolution", "lowest-direct", "--python", "env"]
            run("uv", "pip", "install", "--quiet", *lowest, *declared, f"clew @ {given.file.resolve().as_uri()}")
        else:
            run("python", "-m", "pip", "install", "--quiet", package)
        run("python", "-m", "pip", "check")
        for line in STEPS.split("\n")[1:-1]:
            run(*line.split())
        fetch_page(str(programs / "clew"), folder, environment)
        run("python", "-m", "pip", "install", "--quiet", "jupyterlab")  # as docs/lessons/index.md says
        for path in NOTEBOOKS:
            shutil.copy(path, folder)
            run("jupyter", "execute", path.name)


def fetch_page(clew: str, folder: Path, environment: dict[str, str]) -> None:
    """Start `clew serve`, fetch its page, and stop it."""
    begin, serve = time.perf_counter(), [clew, "serve", "--port", "0"]
    with subprocess.Popen(serve, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            found = (re.search(r"http://\S+", line) for line in server.stderr or ())
            address = next(filter(None, found), None)
            page = open_page(address[0]) if address else b""
        finally:
            server.terminate()
    if b"Clew" not in page:
        sys.exit(f"clew serve: no page, but {page[:200]!r}")
    print(f"{time.perf_counter() - begin:6.1f} s  clew serve, a page of {len(page):,} bytes", flush=True)


def open_page(address: str) -> bytes:
    """Return what a server answers; it prints its address a moment before it listens."""
    for _ in range(100):
        with suppress(URLError):
            answer: bytes = urllib.request.urlopen(address, timeout=60).read()
            return answer
        time.sleep(0.5)
    return b""


if __name__ == "__main__":
    main()

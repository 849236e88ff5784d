"""Every file that Clew reads, damaged at random: it is read, or refused in our words, and no table is ever wrong."""

import logging
import os
import random
import re
import resource
import shutil
import string
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

import clew
from clew import runs
from clew.distributed.scaling import Cluster, Load, Parameters, seconds_of_round
from clew.errors import ClewError, StoppedError
from clew.experiments.samples import read_metrics
from clew.figures.graph import write_graph
from clew.kernels import cache
from clew.learning.checkpoints import Checkpoints
from clew.mazes.formats import read_scenarios
from clew.runs.run import open_partial_run, save_checkpoints, train_run
from clew.runs.storage import load_run, table_sha256
from clew.web import listing

if numba.config.DISABLE_JIT:  # policies are trained when the module is imported
    pytest.skip("files are not read by kernels", allow_module_level=True)

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

logger = logging.getLogger(__name__)

FILES_A_MOMENT = 8  # of each kind that are damaged, for each of --moments
MAX_CACHES = 20  # processes that are started with a damaged cache: one for every third moment
SECONDS, MEMORY = 20.0, 3 * 2**30  # of the processor, and bytes; for each file
NEVER = 10**12  # episodes

# Damage ---------------------------------------------------------------------------------------------------------------

ODD = [b"0", b"-1", b"1.5", b"1e999", b"1e-320", b"NaN", b"-Infinity", b"null", b"true", b"[]", b"{}", b'""', b'"x"']
ODD += [b'"\\ud800"', b"\xff\xfe", b"\xd9\xa3", b"\0", b"\r", b"'", b'"', b",,,", b"8193", b"1" * 400, b"9" * 5000]
ODD += [
    b"[" * 10**5,
    b'"' + b"x" * 200_000 + b'"',
    b'"gym:CartPole-v1"',
    b'"cliff"',
    b'"sarsa"',
    b'"local"',
    b'"eight"',
]
WORD = re.compile(rb'"[^"\n]*"|[\w.+-]+')


def change_word(data: bytes, rng: random.Random) -> bytes:
    """Replace a word, a number or a JSON string by an odd one, or by another one of the file."""
    words = list(WORD.finditer(data))
    if not words:
        return data + rng.choice(ODD)
    word = rng.choice(words)
    new = rng.choice(ODD) if rng.random() < 0.7 else rng.choice(words)[0]
    return data[: word.start()] + new + data[word.end() :]


def change_digit(data: bytes, rng: random.Random) -> bytes:
    places = [i for i, byte in enumerate(data) if byte in string.digits.encode()]
    return put(data, rng.choice(places), str(rng.randrange(10)).encode()) if places else data


def change_line(data: bytes, rng: random.Random) -> bytes:
    """Repeat, remove or swap lines."""
    lines = data.splitlines(keepends=True) or [b""]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    times = rng.choice([0, 1, 2, 50])
    if times == 1:
        lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines[:i] + lines[i : i + 1] * times + lines[i + 1 :])


def put(data: bytes, begin: int, new: bytes) -> bytes:
    return data[:begin] + new + data[begin + len(new) :]


def span(data: bytes, rng: random.Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice([1, 1, 2, 4, 8, 100, 5000]))


def change_span(data: bytes, rng: random.Random) -> bytes:
    """Delete, repeat, insert, swap or fill a span of bytes."""
    begin, end = span(data, rng)
    there, rest = data[begin:end], data[end:]
    kind = rng.randrange(5)
    if kind == 3:
        other = rng.randrange(len(rest) + 1)
        return data[:begin] + rest[:other] + there + rest[other:]
    new = (b"", there * rng.choice([2, 6]), rng.randbytes(end - begin) + there, b"", b"\0" * (end - begin))[kind]
    return data[:begin] + new + rest


def flip(data: bytes, rng: random.Random) -> bytes:
    begin = rng.randrange(len(data) or 1)
    return put(data, begin, bytes(byte ^ 1 << rng.randrange(8) for byte in data[begin : begin + 1]))


def change_byte(data: bytes, rng: random.Random) -> bytes:
    return put(data, rng.randrange(len(data) or 1), rng.randbytes(1))


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.choice([0, rng.randrange(len(data) + 1), len(data) - 1])]


def append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.choice([rng.randbytes(20), data, b"\n" * 1000, b"\0" * 4096, rng.choice(ODD)])


DAMAGES = (flip, change_byte, change_span, change_digit, change_word, change_line, cut, append)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Return a copy of a file with one to three random mistakes."""
    damaged = data
    while damaged == data:
        for _ in range(rng.choice([1, 1, 2, 3])):
            damaged = rng.choice(DAMAGES)(damaged, rng)
    return damaged


def damage_folder(folder: Path, contents: dict[str, bytes], rng: random.Random) -> list[Path]:
    """Damage one to three files in a folder; sometimes remove one, put a folder in its place, or exchange two."""
    chosen = rng.sample(sorted(contents), min(len(contents), rng.choice([1, 1, 1, 2, 3])))
    for name in chosen:
        kind, path = rng.randrange(40), folder / name
        if kind < 2 and len(contents) > 1:
            path.unlink()
            if kind:
                path.mkdir()
        elif kind == 2 and len(contents) > 1:
            path.write_bytes(contents[rng.choice([other for other in contents if other != name])])
        else:
            path.write_bytes(damage(contents[name], rng))
    return [folder / name for name in chosen]


# Kinds ----------------------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """A kind of file, or of folder.

    Attributes:
        make: writes sound files into a folder.
        read: reads them from the folder; raises AssertionError if what was read is wrong.
        weight: how many are damaged, relative to other kinds; those that take longer are fewer.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    weight: float = 1.0


MAZE = clew.Maze.open(6, 7, obstacles=[(1, column) for column in range(6)], hazards=[(3, 3)])
PLAIN = clew.Maze.open(6, 7, obstacles=[(1, column) for column in range(6)])
WALLED = clew.generate_maze("wilson", 4, 5, seed=1)
TEXTS = {
    "own": MAZE.to_text(),
    "walls": WALLED.to_text(),
    "micromouse": "o---o---o\n| S     |\no   o . o\n|     G |\no---o---o\n",
    "frozen lake": "SFFF\nFHFH\nFFFH\nHFFG\n",
    "digits": "0 1 0\n0 0 0\n",
    "commas": "0,1,0\n0,0,0\n",
    "blank floor": "#####\n#S  #\n# #E#\n#####\n",
    "dot floor": "#####\n#S..#\n#.#E#\n#####\n",
    "map": "type octile\nheight 2\nwidth 3\nmap\n.@.\n...\n",
    "lay": "%%%%\n%P.%\n%%%%\n",
}
SCENARIOS = "version 1\n" + "".join(f"{i // 3}\tm.map\t7\t6\t{i}\t0\t4\t2\t3.4142\n" for i in range(5))


def text_kind(text: str) -> Kind:
    return Kind(lambda folder: void((folder / "maze.txt").write_text(text)), lambda folder: load(folder / "maze.txt"))


def maze_kind(ending: str, maze: clew.Maze, **options: Any) -> Kind:
    return Kind(
        lambda folder: void(maze.save(folder / f"maze{ending}", **options)),
        lambda folder: load(folder / f"maze{ending}", **options),
    )


def void(_: Any) -> None:
    """Ignore what a function returns."""


def load(path: Path, **options: Any) -> None:
    """Load a maze, and let it be used."""
    maze = clew.Maze.load(path, **options)
    maze.to_text()
    if maze.start and maze.goals:
        maze.distances()


def make_scenario(folder: Path) -> None:
    PLAIN.save(folder / "m.map")
    (folder / "m.scen").write_text(SCENARIOS)


def read_scenario(folder: Path) -> None:
    clew.TrainingConfig(maze=str(folder / "m.map"), scenario=f"{folder / 'm.scen'}:1").make_maze()
    read_scenarios(folder / "m.scen")


def model_kind(mdp: Callable[[], clew.FiniteMDP]) -> Kind:
    def read(folder: Path) -> None:
        clew.solve(clew.FiniteMDP.load(folder / "model.npz"), gamma=0.9)

    return Kind(lambda folder: mdp().save(folder / "model.npz"), read)


CURVE = ((100, 1e-8), (10_000, 4e-8))
ROUND = Parameters(2, 0.001, 0.0002, 0.02, CURVE, 0.25, CURVE, CURVE, CURVE, CURVE, 0.01, 1e-8)


def use_parameters(folder: Path) -> None:
    seconds_of_round(Parameters.read(folder / "a.json"), Load(10_000, 4, 4, 100_000), Cluster(2))


# Runs -----------------------------------------------------------------------------------------------------------------

RUNS = {
    "central": {"maze": "4x5", "num_simulations": 3},
    "local": {"maze": "4x5", "num_simulations": 3, "sharing": "local", "sync_every": 5, "slip": 0.1},
    "serial": {"maze": "4x5", "num_simulations": 1, "algorithm": "prioritized-sweeping"},
    "cliff": {"maze": "cliff", "num_simulations": 1},
    "gymnasium": {"maze": "gym:FrozenLake-v1", "num_simulations": 2, "sharing": "local"},
}


def config_of(name: str) -> clew.TrainingConfig:
    return clew.TrainingConfig(num_episodes=60, seed=3, **RUNS[name])


def run_kind(name: str) -> Kind:
    run = train_run(config_of(name))

    def read(folder: Path) -> None:
        """Read a run folder in every way that there is."""
        path, ends = folder / "run", []
        for each in (load_run, lambda path: runs.open_run(path)[2], read_metrics, draw_graph, show_on_page):
            try:
                ends.append(each(path))
            except ClewError as error:
                ends.append(error)
        for found in ends[:2]:
            assert isinstance(found, ClewError) or np.array_equal(found.q, run.policy.q)
        raise_first(ends)

    return Kind(lambda folder: run.save(folder / "run"), read, 0.5)


def draw_graph(path: Path) -> None:
    write_graph(path, path.parent / "graph")


def show_on_page(path: Path) -> None:
    """Prepare all that the page shows of a run."""
    (found,), _ = listing.list_runs(path.parent) if path.is_dir() else ([], 0)
    if found.problem:
        raise clew.RunError(f"{path}: {found.problem}")
    listing.comparison_table([found], [""])
    for metric in listing.CURVES:
        listing.run_curve(found, metric)
    listing.load_details(found)


def raise_first(ends: list[Any]) -> None:
    for end in ends:
        if isinstance(end, ClewError):
            raise end


def checkpoint_kind(name: str) -> Kind:
    config = config_of(name)
    wanted = train_run(config).policy.q

    def make(folder: Path) -> None:
        maze = config.make_maze() if config.is_maze else None

        def stop(row: clew.RoundMetrics) -> None:
            if row.num_ended >= 40:
                checkpoints.stop()

        with pytest.raises(StoppedError), save_checkpoints(folder / "run", config, maze, 10) as checkpoints:
            train_run(config, stop, maze=maze, checkpoints=checkpoints)
        assert len(checkpoints.folders) == 3

    def read(folder: Path) -> None:
        found, maze = open_partial_run(folder / "run")
        found = replace(found, num_actors=0)  # as --actors 0 does
        run = train_run(found, maze=maze, checkpoints=Checkpoints(folder / "run.partial", NEVER))
        assert np.array_equal(run.policy.q, wanted)

    return Kind(make, read, 0.5)


KINDS: dict[str, Callable[[], Kind]] = {
    **{f"{name}, .txt": partial(text_kind, text) for name, text in TEXTS.items()},
    ".map": lambda: maze_kind(".map", PLAIN),
    ".maze": lambda: maze_kind(".maze", WALLED),
    ".lay": lambda: maze_kind(".lay", PLAIN),
    ".png": lambda: maze_kind(".png", MAZE, cell_size=2),
    ".pgm": lambda: maze_kind(".pgm", PLAIN, cell_size=2),
    ".scen": lambda: Kind(make_scenario, read_scenario),
    "grid model": lambda: model_kind(lambda: clew.Environment(MAZE, slip=0.1).mdp),
    "sparse model": lambda: model_kind(lambda: clew.Environment(MAZE, slip=0.1).mdp.to_sparse()),
    "parameters": lambda: Kind(lambda folder: ROUND.write(folder / "a.json"), use_parameters),
    **{f"run, {name}": partial(run_kind, name) for name in RUNS},
    **{f"checkpoints, {name}": partial(checkpoint_kind, name) for name in RUNS},
}


@pytest.fixture
def little_memory():
    """Let this process have little more memory than it has, so that a file that claims much is noticed."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def read_damaged(kind: Kind, tmp_path: Path, name: str, num_files: int, check: Callable[[Path], str]) -> Counter[str]:
    """Damage the files of a kind again and again, and count what became of them.

    Args:
        kind: of the files.
        tmp_path: an empty folder.
        name: seeds the random numbers.
        num_files: how often the files are damaged.
        check: reads them; returns what became of them.
    """
    rng = random.Random(name)
    sound, folder = tmp_path / "sound", tmp_path / "damaged"
    sound.mkdir()
    kind.make(sound)
    contents = {str(path.relative_to(sound)): path.read_bytes() for path in sound.rglob("*") if path.is_file()}
    ends: Counter[str] = Counter()
    for i in range(num_files + 1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        paths = damage_folder(folder, contents, rng) if i else []
        begun = time.process_time()
        try:
            end = check(folder)
        except Exception as error:
            error.add_note(f"damage {i} of {name}, in {', '.join(map(str, paths))}")
            raise
        assert i == 0 or time.process_time() - begun < SECONDS, paths  # the first waits for the compiler
        assert i or end == "read", "the sound files are read"
        ends[end] += min(i, 1)
    logger.info("%s: %s", name, dict(ends))
    return ends


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_or_refused_in_our_words(name, tmp_path, moments, little_memory):
    kind = KINDS[name]()

    def check(folder: Path) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", clew.PrecisionWarning)
                kind.read(folder)
            return "read"
        except ClewError as error:
            first = str(error).splitlines()[0]
            assert first.isprintable(), first
            assert len(first) < 1000
            return "refused"

    ends = read_damaged(kind, tmp_path, name, int(FILES_A_MOMENT * moments * kind.weight), check)
    assert "checkpoints" in name or ends["refused"] > 0.1 * ends.total()  # of checkpoints, the one before is read


COMMANDS = {
    "info": ("own, .txt", ["info", "maze.txt"]),
    "info of a picture": (".png", ["info", "maze.png", "--cell-size", "2"]),
    "solve": ("walls, .txt", ["solve", "maze.txt"]),
    "evaluate": ("run, local", ["evaluate", "run"]),
    "graph": ("run, serial", ["graph", "run", "--out", "graph"]),
    "play": ("run, gymnasium", ["play", "run"]),
    "resume": ("checkpoints, central", ["train", "--resume", "run", "--actors", "0"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_in_one_line_that_a_file_is_damaged(name, clew, tmp_path, monkeypatch, moments, little_memory):
    kind, words = KINDS[COMMANDS[name][0]](), COMMANDS[name][1]

    def check(folder: Path) -> str:
        monkeypatch.chdir(folder)
        code, out, err = clew(*words)
        if code == 0:
            return "read"
        assert code == 2
        assert out == ""
        *others, last = [line for line in err.splitlines() if not line.startswith("    ")]  # which draws the place
        assert last.startswith("clew: "), err
        assert all("continuing from the checkpoint before it" in line or "warning: " in line for line in others), err
        return "refused"

    ends = read_damaged(kind, tmp_path, name, int(FILES_A_MOMENT * moments * kind.weight / 2), check)
    assert ends["refused"] > 0


# The cache of kernels -------------------------------------------------------------------------------------------------

TRAIN = """
import clew
from clew.runs.storage import table_sha256
policy = clew.train_policy(clew.Environment(clew.Maze.open(3, 3)), 50, seed=1)
print(table_sha256(policy.q))
"""


def test_a_damaged_cache_is_compiled_again_to_the_right_table(tmp_path, moments):
    rng = random.Random(0)

    def train() -> str:
        result = subprocess.run(
            [sys.executable, "-c", TRAIN],
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "NUMBA_DISABLE_JIT": "0"},
        )
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout.strip()

    wanted = table_sha256(clew.train_policy(clew.Environment(clew.Maze.open(3, 3)), 50, seed=1).q)
    assert train() == wanted
    ends: Counter[str] = Counter()
    for _ in range(min(max(1, moments // 3), MAX_CACHES)):
        paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        chosen = rng.sample(paths, len(paths) // 4)
        for path, other in zip(chosen, chosen[1:] + chosen[:1], strict=True):
            if rng.random() < 0.2 and path.suffix == other.suffix:
                path.write_bytes(other.read_bytes())
            else:
                path.write_bytes(damage(path.read_bytes(), rng))
            ends[path.suffix or path.name] += 1
        assert train() == wanted
    logger.info("cache: %s", dict(ends))


def test_damaged_machine_code_is_never_loaded(tmp_path, moments, little_memory):
    rng = random.Random(0)
    file = cache._CheckedFile(str(tmp_path), "kernel", "stamp")
    content = {"code": rng.randbytes(20_000)}
    file.save("key", content)
    assert file.load("key") == content
    sound = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ends: Counter[str] = Counter()
    for _ in range(10 * FILES_A_MOMENT * moments):
        name = rng.choice(sorted(sound))
        (tmp_path / name).write_bytes(damage(sound[name], rng))
        try:
            assert file.load("key") is None
            ends["empty index"] += 1
        except ValueError:
            ends["refused"] += 1
        (tmp_path / name).write_bytes(sound[name])
    logger.info("machine code: %s", dict(ends))

"""Files that each released version wrote are read, with the same content: the promise of docs/compatibility.md.

`tests/saved/VERSION` was written by that version. `python tests/test_compatibility.py` writes that of the version that
is checked out, once before its release; the folders of versions that are released stay as they are.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import clew
from clew.experiments.folder import ResultFolder
from clew.experiments.listing import list_experiments
from clew.runs.configuration import TrainingConfig
from clew.runs.run import open_run, train_run
from clew.runs.storage import load_run

SAVED = Path(__file__).parent / "saved"
MAZE = "S..#\n.#..\n...G\n"
SEEDS = [0, 1, 2]


def slippery(s, a):
    return [(0.75, min(s + a, 3), float(s == 2), s + a == 3), (0.25, s, -0.5, False)]


def write(folder: Path) -> None:
    """Write one file or folder of each kind; expected.json has figures of their content."""
    folder.mkdir(parents=True)
    maze = clew.Maze.from_text(MAZE)
    maze.save(folder / "maze.txt")
    grid, sparse = clew.Environment(maze, slip=0.2).mdp, clew.FiniteMDP.from_function(4, 2, slippery, starts=[0])
    grid.save(folder / "grid.npz")
    sparse.save(folder / "sparse.npz")
    policy = clew.train_policy(clew.Environment(maze), 200, seed=1)
    policy.save(folder / "policy.npz")
    policy.to_csv(folder / "policy.csv")
    config = TrainingConfig(maze="3x4", num_episodes=40, seed=3)
    train_run(config).save(folder / "run")
    experiment = clew.Experiment({"maze": clew.Environment(maze)}, {"Q": {"alpha": 0.5}}, SEEDS, num_episodes=20)
    experiment.run(folder=folder / "experiment")
    (folder / "expected.json").write_text(json.dumps(read(folder), indent=2) + "\n")


def read(folder: Path) -> dict:
    """Read all of them, and return figures of their content."""
    maze = clew.Maze.load(folder / "maze.txt")
    env = clew.Environment(maze)
    policy = clew.Policy.load(folder / "policy.npz")
    saved, (config, world, learned) = load_run(folder / "run"), open_run(folder / "run")
    [listed] = list_experiments(folder / "experiment")
    [cell] = (folder / "experiment").glob("cell-*.json")
    kept = list(ResultFolder(folder / "experiment").load(cell.stem.removeprefix("cell-")))
    steps = {seed: runs.results.stats.steps[i] for runs in kept for i, seed in enumerate(runs.seeds)}
    return {
        "maze": maze.to_text(),
        "grid_value": clew.solve(clew.FiniteMDP.load(folder / "grid.npz"), gamma=0.9).value,
        "sparse_value": clew.solve(clew.FiniteMDP.load(folder / "sparse.npz"), gamma=0.9).value,
        "policy_table": policy.q.astype(float).round(6).tolist(),
        "csv_steps": clew.evaluate_policy(env, clew.Policy.read_csv(env.mdp, folder / "policy.csv")).mean_steps,
        "run_settings": [config.num_episodes, config.seed, config.algorithm, config.alpha],
        "run_maze": world.maze.to_text(),
        "run_table": learned.q.astype(float).round(6).tolist(),
        "run_steps": [int(row["num_steps"]) for row in saved.metrics],
        "run_events": len(saved.trace or ()),
        "run_mean_steps": saved.summary["mean_steps"],
        "experiment": [listed.learners, listed.worlds, listed.num_done, listed.num_runs],
        "experiment_steps": [np.asarray(steps[seed]).tolist() for seed in SEEDS],
    }


@pytest.mark.parametrize("folder", sorted(SAVED.glob("*")), ids=lambda folder: folder.name)
def test_files_of_each_version_are_read_with_the_same_content(folder):
    expected = json.loads((folder / "expected.json").read_text())
    found = read(folder)
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, abs=1e-9) if name.endswith("value") else value), name


def test_this_version_has_its_folder():
    assert (SAVED / clew.__version__).is_dir()


if __name__ == "__main__":
    sys.exit(write(SAVED / clew.__version__))

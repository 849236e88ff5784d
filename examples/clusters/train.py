"""Train in a maze on the Ray at RAY_ADDRESS and in one process, and compare the tables; all examples here run this.

python examples/clusters/train.py --actors 2
"""

import argparse

import clew
from clew.runs.storage import table_sha256


def main() -> None:
    """Train on actors and in one process, print the hashes of both tables, and fail if they differ."""
    parser = argparse.ArgumentParser(description="Train in a maze on a Ray cluster.")
    parser.add_argument("--rows", type=int, default=60, help="number of rows, and of columns, of an open maze")
    parser.add_argument("--episodes", type=int, default=20_000)
    parser.add_argument("--simulations", type=int, default=8)
    parser.add_argument("--actors", type=int, default=2)
    options = parser.parse_args()
    env = clew.Environment(clew.Maze.open(options.rows, options.rows), random_start=True)
    settings = {"num_episodes": options.episodes, "num_simulations": options.simulations, "seed": 1}
    there = clew.train_policy_parallel(env, num_actors=options.actors, **settings)
    here = clew.train_policy_parallel(env, num_actors=0, **settings)
    print(f"{options.actors} actors: table {table_sha256(there.q)}")
    print(f"one process: table {table_sha256(here.q)}")
    if there.q.tobytes() != here.q.tobytes():
        raise SystemExit("the tables differ")


if __name__ == "__main__":
    main()

"""The optimum of a maze that is cut into blocks, with the figures that the command line prints."""

import logging
from dataclasses import asdict
from typing import Any

from clew.distributed.placement import format_seconds
from clew.environments import Environment
from clew.runs.stopwatch import Stopwatch
from clew.runs.storage import finite_or_none
from clew.settings import check_count, check_type

logger = logging.getLogger(__name__)


def solve_in_blocks(
    env: Environment, *, gamma: float, tolerance: float, num_blocks: int, num_actors: int
) -> dict[str, Any]:
    """Compute the optimum of a maze that is cut into blocks of rows.

    Args:
        env: environment of a maze whose goals are fixed.
        gamma: discount per step.
        tolerance: maximum error of a value.
        num_blocks: number of blocks.
        num_actors: number of Ray actors that hold the blocks; 0 for this process.

    Returns:
        The figures of `BlockSolution`, wall times, and peak memory in bytes.

    Raises:
        SettingError: if the world can't be cut into these blocks, or a setting is out of range.

    >>> import clew
    >>> env = clew.Environment(clew.Maze.open(6, 4), step_reward=-1.0, goal_reward=0.0)
    >>> figures = clew.runs.solve_in_blocks(env, gamma=1.0, tolerance=1e-6, num_blocks=3, num_actors=0)
    >>> figures["value"], figures["num_blocks"]
    (-8.0, 3)
    """
    from clew.distributed.blocks import BlockWorld

    check_type("env", env, Environment, "a clew.Environment; only mazes can be cut into blocks")
    check_count("num_blocks", num_blocks, 1, 2**31 - 1)

    with BlockWorld(env, num_blocks, num_actors=num_actors) as world:
        stopwatch = Stopwatch()
        solution = world.solve(gamma=gamma, tolerance=tolerance)
        times = stopwatch.read()
        if num_actors:
            logger.info(
                "planning took %s s; in this process alone the blocks would have taken about %s s",
                format_seconds(solution.seconds),
                format_seconds(solution.work_seconds),
            )
        figures = {"gamma": gamma, "value": solution.value, "num_states": env.mdp.num_states}
        figures |= asdict(solution) | times | {"num_blocks": num_blocks}
        figures |= {f"peak_bytes_of_{name.replace(' ', '_')}": peak for name, peak in world.memory().items()}
    return finite_or_none(figures)

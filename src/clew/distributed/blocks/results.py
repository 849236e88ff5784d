"""Results of planning, learning and grading in blocks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockSolution:
    """Result of planning in blocks.

    Attributes:
        gamma: discount per step.
        value: mean optimal value of the start states.
        method: planner of the blocks, "breadth-first" or "modified-policy-iteration".
        bound: proved bound on the error of every value.
        num_rounds: number of exchanges of border values.
        num_bytes: bytes of all border values that were sent.
        seconds: wall time.
        work_seconds: time in which blocks were planned, summed over all of them: about what one process would need.
    """

    gamma: float
    value: float
    method: str
    bound: float
    num_rounds: int
    num_bytes: int
    seconds: float
    work_seconds: float


@dataclass(frozen=True)
class BlockTraining:
    """Statistics of learning in blocks.

    Attributes:
        num_steps: steps of all blocks together.
        num_rounds: rounds of episodes; border values are exchanged before each.
        num_settling: exchanges after the last round, in which learned models back up new values of the halo without
            further steps.
        num_bytes: bytes of all border values that were sent.
        seconds: wall time.
    """

    num_steps: int
    num_rounds: int
    num_settling: int
    num_bytes: int
    seconds: float


@dataclass(frozen=True)
class BlockGrade:
    """Comparison of the learned action values with the plan, over the states in which the choice of action matters.

    The choice matters in a state if some action is not optimal there; states without a path to a goal don't count.

    Attributes:
        optimal_states: share of these states in which every greedy action is optimal, see `clew.Grade`; None if there
            are none.
        num_states: number of these states.
        mean_error: mean of |max_a q - v*|.
        max_error: maximum of |max_a q - v*|.
    """

    optimal_states: float | None
    num_states: int
    mean_error: float
    max_error: float

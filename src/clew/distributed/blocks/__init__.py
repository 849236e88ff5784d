"""Tables larger than one process: a grid cut into blocks of rows, each planned and learned by whoever holds it.

    world       BlockWorld: solve, train, grade; the driver's part, which sees borders and figures, never a block
    cuts        where a grid is cut, and what it takes to make a block
    exchange    what neighbours must tell each other, and how many bytes that was
    block       a block: its planner and its learner
    planning    a block planned, with the values of its neighbours' borders given
    learning    a block learned, likewise
    pools       blocks in this process, or on Ray actors

The whole table is in no process, unless all blocks are.
"""

from clew.distributed.blocks.world import BlockGrade, BlockSolution, BlockTraining, BlockWorld

__all__ = ["BlockGrade", "BlockSolution", "BlockTraining", "BlockWorld"]

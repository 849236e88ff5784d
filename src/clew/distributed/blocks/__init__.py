"""Tables larger than one process: a grid cut into blocks of rows, each planned and learned where it is held.

    world       BlockWorld: solve, train and grade; runs in the driver
    results     what solving, training and grading return
    partition   cutting a grid into blocks, and the grid of one block
    exchange    passing border values from each block to its neighbours
    block       a block: its planner, its learner and its grade
    planning    planning one block, given the values of its halo
    learning    learning one block, given the values of its halo
    pools       blocks in this process, or on Ray actors

The *halo* of a block is the row above and the row below it, which belong to its neighbours. The driver sees border
values and sums; no process holds the whole table, unless all blocks are in this process.
"""

from clew.distributed.blocks.results import BlockGrade, BlockSolution, BlockTraining
from clew.distributed.blocks.world import BlockWorld

__all__ = ["BlockGrade", "BlockSolution", "BlockTraining", "BlockWorld"]

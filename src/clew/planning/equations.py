"""Equations of a policy: a model as rows of outcomes, and I - gamma P, factorised by SciPy's SuperLU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clew.kernels import read_only
from clew.kernels.planning import relative_values as kernels
from clew.kernels.planning.relative_values import Rows
from clew.models.mdp import FiniteMDP
from clew.planning.certificate import check_overflow

Floats = npt.NDArray[np.float64]
MAX_REWARD = 1e150  # sums in twice the precision overflow beyond
MAX_BAND = 2.0  # size of the band of a matrix, relative to the number of its entries, that is factorised in order
MAX_DENSE = 100  # number of states up to which matrices are dense, and SciPy isn't imported
MAP_WIDTH = 4.0  # a graph of n states is like a map if its width is at most this times the square root of n
ENTRY_COST = 10.0  # operations for each entry of a matrix, before any is filled in


def rewards_fit(mdp: FiniteMDP) -> bool:
    """Return whether rewards aren't too large for relative values."""
    return max(map(abs, mdp.reward_range)) <= MAX_REWARD


def as_rows(mdp: FiniteMDP) -> Rows:
    """Return a model as rows of outcomes; if outcomes end the episode, the end is one more state.

    Raises:
        SettingError: if products of its rewards would overflow.
    """
    if not rewards_fit(mdp):
        check_overflow(mdp, math.inf, np.zeros(0))
    model = mdp.sparse_rows
    offsets, next_states = model.offsets, model.next_states
    if model.terminated.any():
        offsets = np.concatenate([offsets, np.full(mdp.num_actions, offsets[-1])])
        next_states = np.where(model.terminated, np.int32(mdp.num_states), next_states)
    expected, errors = np.empty((2, offsets.size - 1))
    kernels.expect_rewards(offsets, model.probabilities, model.rewards, expected, errors)
    return Rows(offsets, model.probabilities, next_states, expected, errors, mdp.num_actions)


def factorise(rows: Rows, policy: npt.NDArray[np.int32], gamma: float) -> Any:
    """Return a function that solves (I - gamma P) x = b, with P the transition probabilities of a policy."""
    if policy.size <= MAX_DENSE:
        return np.linalg.inv(dense_equations(rows, policy, gamma)).dot  # refined afterwards
    return factorise_sparse(sparse_equations(rows, policy, gamma)).solve


def factorise_sparse(matrix: Any) -> Any:
    """Return the LU factors of a sparse M-matrix, such as I - gamma P, by SciPy's SuperLU.

    No pivots are needed, and so the order may be that of a symmetric matrix. Where the entries nearly fill a band along
    the diagonal, as those of an inventory do, the order of the states is a good one, and takes no time to find.
    """
    from scipy.sparse.linalg import splu  # imported here: it takes a tenth of a second

    columns = matrix.tocsc()
    is_band = band_size(matrix) + band_size(columns) <= MAX_BAND * matrix.nnz
    order = "NATURAL" if is_band else "MMD_AT_PLUS_A"
    return splu(columns, permc_spec=order, diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def band_size(matrix: Any) -> int:
    """Return the number of entries, zeros included, from the first of each row or column to the diagonal."""
    first = np.minimum.reduceat(matrix.indices, matrix.indptr[:-1])
    return int((np.arange(first.size) - np.minimum(first, np.arange(first.size))).sum())


def dense_equations(rows: Rows, policy: npt.NDArray[np.int32], gamma: float) -> Floats:
    """Return I - gamma P of a policy, (num_states, num_states)."""
    matrix = np.zeros((policy.size, policy.size))
    entries, columns, offsets = equations(rows, policy, gamma)
    np.add.at(matrix, (np.repeat(np.arange(policy.size), np.diff(offsets)), columns), entries)
    return matrix


def sparse_equations(rows: Rows, policy: npt.NDArray[np.int32], gamma: float) -> Any:
    """Return I - gamma P of a policy as a matrix of SciPy in compressed rows."""
    from scipy.sparse import csr_matrix

    return csr_matrix(equations(rows, policy, gamma), shape=(policy.size, policy.size))


def equations(rows: Rows, policy: npt.NDArray[np.int32], gamma: float) -> tuple[Any, Any, Any]:
    """Return I - gamma P of a policy in compressed rows: (entries, columns, offsets)."""
    first = np.arange(policy.size) * rows.num_actions + policy
    size = int((rows.offsets[first + 1] - rows.offsets[first]).sum()) + policy.size
    offsets, columns = np.empty(policy.size + 1, np.int32), np.empty(size, np.int32)
    entries = np.empty(size)
    size = kernels.write_equations(rows, read_only(policy), gamma, offsets, columns, entries)
    return entries[:size], columns[:size], offsets


def factorisation_cost(rows: Rows, policy: npt.NDArray[np.int32]) -> float:
    """Predict the number of operations of a factorisation, from the graph of a policy.

    Only strongly connected states fill the factors. They are renumbered so that neighbours have close numbers
    (Cuthill & McKee). A state then costs the square of the distance to its first neighbour; in a graph that isn't wider
    than a map, such as that of two queues, only the distance times some neighbours, since parts of it are eliminated
    one by one (George's nested dissection).
    """
    if policy.size <= MAX_DENSE:
        return float(policy.size) ** 3
    from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

    matrix = sparse_equations(rows, policy, 0.5)
    matrix.sum_duplicates()  # with duplicates, SciPy's search for components may go on forever
    _, labels = connected_components(matrix, directed=True, connection="strong")
    sizes = np.bincount(labels)
    states = np.flatnonzero(sizes[labels] > 1)
    if states.size == 0:
        return float(matrix.nnz)
    core = matrix[states][:, states]
    core = (core + core.T).tocsr()
    order = reverse_cuthill_mckee(core, symmetric_mode=True)
    core = core[order][:, order].tocoo()
    first = np.arange(states.size)
    np.minimum.at(first, core.row, core.col)
    width: Floats = (np.arange(states.size) - first).astype(np.float64)
    is_map = float(width.max()) ** 2 <= MAP_WIDTH**2 * states.size
    filled = np.minimum(width, core.nnz / states.size) if is_map else width
    return float((width * filled).sum()) + ENTRY_COST * float(matrix.nnz)

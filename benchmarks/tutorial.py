"""Q-learning as Gymnasium's tutorials write it, restated by us: a dictionary of NumPy rows, learned step by step.

None of it is Gymnasium's code. It keeps the habits that decide the speed: one call of the environment, one `np.argmax`
and one `np.max` a step.
"""

import time
from collections import defaultdict
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt


def train(env: gymnasium.Env[Any, Any], num_steps: int, seed: int) -> float:
    """Learn for a number of steps; returns steps a second of processor time."""
    rng = np.random.default_rng(seed)
    space: Any = env.action_space  # Discrete
    num_actions = int(space.n)
    q: defaultdict[int, npt.NDArray[np.float64]] = defaultdict(lambda: np.zeros(num_actions))
    begun = time.process_time()
    state, _ = env.reset(seed=seed)
    for _ in range(num_steps):
        explores = rng.random() < 0.1
        action = int(rng.integers(num_actions)) if explores else int(np.argmax(q[state]))
        next_state, reward, terminated, truncated, _ = env.step(action)
        target = float(reward) + 0.9 * (not terminated) * np.max(q[next_state])
        q[state][action] += 0.1 * (target - q[state][action])
        state = next_state
        if terminated or truncated:
            state, _ = env.reset()
    return num_steps / (time.process_time() - begun)

"""What we measure against: the chapter's maze, policy and trainer, restated by us from a description of what they do.

None of it is the chapter's code, and none of it is used elsewhere. It keeps every habit that decides the speed, faults
included: a policy is a list of lists, whose best action NumPy is asked for; an episode is written down as a list of
lists, and learned from only when it is over; a tie goes to the first action; no step limit, no terminal mask. Only the
size of the maze is free, where the chapter's is always 5x5.
"""

import random

import numpy as np

Experience = list[float]  # state, action, reward, next state


class Environment:
    """A grid without walls: the seeker goes from the top left to the goal at the bottom right."""

    def __init__(self, rows: int = 5, columns: int = 5) -> None:
        self.rows, self.columns = rows, columns
        self.goal = (rows - 1, columns - 1)
        self.seeker = (0, 0)
        self.info = {"seeker": self.seeker, "goal": self.goal}

    def reset(self) -> int:
        """Put the seeker back."""
        self.seeker = (0, 0)
        return self.get_observation()

    def get_observation(self) -> int:
        """Number of the seeker's cell."""
        return self.columns * self.seeker[0] + self.seeker[1]

    def get_reward(self) -> int:
        """1 on the goal."""
        return 1 if self.is_done() else 0

    def is_done(self) -> bool:
        """Tell if the seeker is on the goal."""
        return self.seeker == self.goal

    def step(self, action: int) -> tuple[int, int, bool, dict[str, tuple[int, int]]]:
        """Move down, left, up or right; the border clamps."""
        row, column = self.seeker
        if action == 0:
            self.seeker = (min(row + 1, self.rows - 1), column)
        elif action == 1:
            self.seeker = (row, max(column - 1, 0))
        elif action == 2:
            self.seeker = (max(row - 1, 0), column)
        elif action == 3:
            self.seeker = (row, min(column + 1, self.columns - 1))
        else:
            raise ValueError(f"there is no action {action}")
        self.info = {"seeker": self.seeker, "goal": self.goal}
        return self.get_observation(), self.get_reward(), self.is_done(), self.info


class Policy:
    """A row of four values for each state, as lists."""

    def __init__(self, env: Environment) -> None:
        self.state_action_table = [[0.0] * 4 for _ in range(env.rows * env.columns)]

    def get_action(self, state: int, explore: bool = True, epsilon: float = 0.1) -> int:
        """A random action now and then, else a best one."""
        if explore and random.uniform(0, 1) < epsilon:
            return random.randint(0, 3)
        return np.argmax(self.state_action_table[state])  # makes an array of the list; the first of the best wins


def rollout(env: Environment, policy: Policy) -> list[Experience]:
    """Play one episode, however long it takes, and write it down."""
    experiences = []
    state, done = env.reset(), False
    while not done:
        action = policy.get_action(state)
        next_state, reward, done, _ = env.step(action)
        experiences.append([state, action, reward, next_state])
        state = next_state
    return experiences


def update_policy(policy: Policy, experiences: list[Experience], weight: float, discount_factor: float) -> None:
    """Learn from an episode that is over; the value behind the goal is looked up like any other."""
    table = policy.state_action_table
    for state, action, reward, next_state in experiences:
        best_next = np.max(table[next_state])
        table[state][action] = (1 - weight) * table[state][action] + weight * (reward + discount_factor * best_next)


def train_policy(
    env: Environment, num_episodes: int = 10_000, weight: float = 0.1, discount_factor: float = 0.9
) -> tuple[Policy, int]:
    """Roll out and update, episode by episode; returns the number of steps as well, which the chapter doesn't count."""
    policy, num_steps = Policy(env), 0
    for _ in range(num_episodes):
        experiences = rollout(env, policy)
        update_policy(policy, experiences, weight, discount_factor)
        num_steps += len(experiences)
    return policy, num_steps

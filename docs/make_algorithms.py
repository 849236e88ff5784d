"""Write docs/algorithms.md from the tables in the code: python docs/make_algorithms.py."""

from dataclasses import fields
from pathlib import Path

from clew import ALGORITHMS, BEHAVIOURS, Learning
from clew.learning.settings import default_of

PAGE = Path(__file__).parent / "algorithms.md"

HEAD = """\
# Algorithms and exploration strategies

<!-- Written by docs/make_algorithms.py from the tables in the code; change those. -->

For readers who choose an algorithm. This page lists all algorithms, exploration strategies and settings.

Choose them by `clew train --algorithm NAME --behaviour NAME`, or by
`clew.train_policy(env, algorithm="NAME", behaviour="NAME")`. The algorithm and the exploration strategy are chosen
separately. A setting that would have no effect is refused.

The columns of the first table mean:

- **update**: the target that a value is moved towards. The value of a terminated state is 0. If the step limit
  truncates an episode, every algorithm uses the value of the next state.
- **policy**: an on-policy algorithm learns the values of the behaviour policy, exploration included. An off-policy
  algorithm learns the values of the greedy policy, whatever the behaviour policy is.
- **interleaves**: whether several episodes can be played on one table, step by step in turn (`--num-interleaved`).
- **memory**: how long the algorithm remembers something besides its table: for a step, an episode or the whole run.
  In the last case simulations can't learn on copies of the table (`--sharing local`).
- **source**: S&B is Sutton & Barto (2018).

[reference.py](../src/clew/reference.py) has Q-learning and Sarsa in plain Python. [Extending](extending.md) shows how
to add an algorithm or a strategy of your own.

"""


def flag(name: str) -> str:
    """Return the command-line option of a setting, as code."""
    return "`--set`" if name == "algorithm_settings" else "`--" + name.rstrip("_").replace("_", "-") + "`"


def escape(text: str) -> str:
    """Escape vertical bars, which would end a cell of the table."""
    return text.replace("|", "\\|")


def page() -> str:
    """Return the whole page, as Markdown."""
    lines = [
        HEAD,
        "## Algorithms\n\n| name | update | policy | settings | default strategy | interleaves | memory | source |\n",
        "|" + " --- |" * 8 + "\n",
    ]
    for row in ALGORITHMS.values():
        options = " ".join(flag(name) for name in row.settings)
        interleaves = "yes" if row.interleaves else "no"
        strategy = row.behaviour + (f", {row.initial_values} initial values" if row.initial_values else "")
        policy = "on-policy" if row.on_policy else "off-policy"
        cells = f"`{row.name}`", escape(row.update), policy, options, strategy, interleaves, row.memory, row.source
        lines.append("| " + " | ".join(cells) + " |\n")
    lines.append("\n## Exploration strategies\n\n| name | action | setting |\n| --- | --- | --- |\n")
    for name, strategy in BEHAVIOURS.items():
        option = flag(strategy.setting) if strategy.setting else ""
        lines.append(f"| `{name}` | {escape(strategy.description)} | {option} |\n")
    lines.append("\n## Settings\n\n| setting | default | meaning |\n| --- | --- | --- |\n")
    for field in fields(Learning):
        default = "" if default_of(field) in (None, {}) else "off" if field.default is False else field.default
        lines.append(f"| {flag(field.name)} | {default} | {field.metadata['help']} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())

"""Write docs/algorithms.md from the tables in the code: python docs/make_algorithms.py."""

from dataclasses import fields
from pathlib import Path

from clew import ALGORITHMS, BEHAVIOURS, Learning

PAGE = Path(__file__).parent / "algorithms.md"

HEAD = """\
# Algorithms and behaviours

<!-- Written by docs/make_algorithms.py from the tables in the code; change those. -->

`clew train --algorithm NAME --behaviour NAME`, or `clew.train_policy(env, algorithm="NAME", behaviour="NAME")`. The
learning rule and the exploration strategy are chosen separately. A terminated state counts 0; where a step limit cut
the episode off, every algorithm bootstraps. Some learn what it is worth to go on as they behave, exploring included
(on-policy); the others learn what it is worth to do the best from here on, however they behave. A setting that would
have no effect is refused. S&B is Sutton & Barto (2018).

"""


def flag(name: str) -> str:
    """How the command line spells a setting."""
    return "`--" + name.rstrip("_").replace("_", "-") + "`"


def escape(rule: str) -> str:
    """A bar would end the cell of the table."""
    return rule.replace("|", "\\|")


def page() -> str:
    """The whole page."""
    lines = [
        HEAD,
        "## Algorithms\n\n| name | rule | learns | settings | behaviour | interleaves | source |\n",
        "|" + " --- |" * 7 + "\n",
    ]
    for row in ALGORITHMS.values():
        settings = " ".join(flag(name) for name in row.settings)
        interleaves = "yes" if row.interleaves else "no"
        behaviour = row.behaviour + (f", {row.outlook}" if row.initial_values else "")
        learns = "its behaviour" if row.on_policy else "the best"
        cells = f"`{row.name}`", escape(row.rule), learns, settings, behaviour, interleaves, row.source
        lines.append("| " + " | ".join(cells) + " |\n")
    lines.append("\n## Behaviours\n\n| name | rule | setting |\n| --- | --- | --- |\n")
    for name, behaviour in BEHAVIOURS.items():
        lines.append(f"| `{name}` | {behaviour.rule} | {flag(behaviour.setting) if behaviour.setting else ''} |\n")
    lines.append("\n## Settings\n\n| setting | default | meaning |\n| --- | --- | --- |\n")
    for field in fields(Learning):
        default = "" if field.default is None else "off" if field.default is False else field.default
        lines.append(f"| {flag(field.name)} | {default} | {field.metadata['help']} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())

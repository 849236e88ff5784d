"""The update of the last step, under the maze: how the action was chosen, and the equation with its numbers."""

from html import escape

from nicegui import ui

from clew.learning.algorithms import ALGORITHMS
from clew.learning.explanations import Explanation
from clew.policies.behaviours import BEHAVIOURS
from clew.web.playground import Playground

SIGNS = {  # in escaped text
    " &lt;- ": " &larr; ",
    " * ": " &times; ",
    " - ": " &minus; ",
    "alpha": "&alpha;",
    "gamma": "&gamma;",
}


class UpdatePanel:
    """Element that explains the update of the last step; hidden while there is none to follow."""

    def __init__(self) -> None:
        self.html = ui.html("", sanitize=False, tag="section").classes("clew-update")
        self.html.props('aria-label="the last update" data-testid="update"').set_visibility(False)

    def show(self, playground: Playground) -> None:
        """Show the last update of a playground, if it can be followed."""
        self.html.set_visibility(playground.is_explained)
        if playground.is_explained:
            self.html.set_content(describe_update(playground))


def describe_update(playground: Playground) -> str:
    """Return the last step of a playground and its update as HTML."""
    explanation = playground.trainer.explanation
    lines = [f"<p>{escape(_describe_step(playground))}</p>"]
    if explanation is None:
        rule = ALGORITHMS[playground.config.algorithm].update
        lines.append(f'<p class="clew-symbols">No equation for this step. {escape(rule)}</p>')
        return "".join(lines)
    before, target, after, new = map(_with_signs, explanation.parts)
    lines += [
        f'<p class="clew-symbols">{_with_signs(explanation.symbols)}</p>',
        f'<p class="clew-equation" data-testid="equation">{before}<b class="clew-target">{target}</b>{after}'
        f"<b>{new}</b></p>",
        f'<p><span class="clew-target">target {explanation.target:.4g}</span>, '
        f'<span class="clew-error">TD error {explanation.td_error:.4g}</span>'
        f"{escape(_describe_other(playground, explanation))}</p>",
    ]
    return "".join(lines)


def _with_signs(text: str) -> str:
    """Return an equation as HTML, with mathematical signs."""
    text = escape(text)
    for word, sign in SIGNS.items():
        text = text.replace(word, sign)
    return text


def _describe_step(playground: Playground) -> str:
    """Return where the agent was, the action, how it was chosen, and what came of it."""
    step, choice = playground.trainer.episode[-1], playground.trainer.choice
    assert choice is not None
    how = "a best action" if choice.is_best else "not a best action"
    if choice.drawn is not None and BEHAVIOURS[playground.config.learning.behaviour_name].setting == "epsilon":
        sign, way = ("<", "at random") if choice.drawn < choice.exploration else ("≥", "greedily")
        how = f"chosen {way}, as {choice.drawn:.3f} {sign} ε = {choice.exploration:.3g}; {how}"
    end = " The episode ends." if step.terminated else " The step limit ends the episode." if step.truncated else ""
    return f"{_name_pair(playground, step.state, step.action)}: {how}. Reward {step.reward:.4g}.{end}"


def _describe_other(playground: Playground, explanation: Explanation) -> str:
    """Return of which pair the value changes, if it isn't that of the last step, and what else changes."""
    step, pair = playground.trainer.episode[-1], (explanation.state, explanation.action)
    text = "" if pair == (step.state, step.action) else f"; s, a: {_name_pair(playground, *pair)}"
    return text + (f"; {explanation.also}" if explanation.also else "")


def _name_pair(playground: Playground, state: int, action: int) -> str:
    """Return the place of a state, and the name of an action."""
    row, column = divmod(state, playground.maze.columns)
    return f"row {row}, column {column}, {playground.world.env.moves.actions[action]}"

"""The update of the last step, under the maze: how the action was chosen, and the equation with its numbers."""

from html import escape

from nicegui import ui

from clew.learning.algorithms import ALGORITHMS
from clew.policies.behaviours import BEHAVIOURS
from clew.web.worlds import LastStep

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

    def show(self, step: LastStep | None) -> None:
        """Show a step and its update; None hides the element."""
        self.html.set_visibility(step is not None)
        if step is not None:
            self.html.set_content(describe_update(step))


def describe_update(step: LastStep) -> str:
    """Return a step and its update as HTML."""
    explanation = step.explanation
    lines = [f"<p>{escape(_describe_step(step))}</p>"]
    if explanation is None:
        rule = ALGORITHMS[step.config.algorithm].update
        lines.append(f'<p class="clew-symbols">No equation for this step. {escape(rule)}</p>')
        return "".join(lines)
    before, target, after, new = map(_with_signs, explanation.parts)
    lines += [
        f'<p class="clew-symbols">{_with_signs(explanation.symbols)}</p>',
        f'<p class="clew-equation" data-testid="equation">{before}<b class="clew-target">{target}</b>{after}'
        f"<b>{new}</b></p>",
        f'<p><span class="clew-target">target {explanation.target:.4g}</span>, '
        f'<span class="clew-error">TD error {explanation.td_error:.4g}</span>'
        f"{escape(_describe_other(step))}</p>",
    ]
    return "".join(lines)


def _with_signs(text: str) -> str:
    """Return an equation as HTML, with mathematical signs."""
    text = escape(text)
    for word, sign in SIGNS.items():
        text = text.replace(word, sign)
    return text


def _describe_step(step: LastStep) -> str:
    """Return where the agent was, the action, how it was chosen, and what came of it."""
    (state, action, reward, *_), choice = step.transition, step.choice
    how = "a best action" if choice.is_best else "not a best action"
    if choice.drawn is not None and BEHAVIOURS[step.config.learning.behaviour_name].setting == "epsilon":
        sign, way = ("<", "at random") if choice.drawn < choice.exploration else ("≥", "greedily")
        how = f"chosen {way}, as {choice.drawn:.3f} {sign} ε = {choice.exploration:.3g}; {how}"
    is_terminated, is_truncated = step.transition.terminated, step.transition.truncated
    end = " The episode ends." if is_terminated else " The step limit ends the episode." if is_truncated else ""
    return f"{_name_pair(step, state, action)}: {how}. Reward {reward:.4g}.{end}"


def _describe_other(step: LastStep) -> str:
    """Return of which pair the value changes, if it isn't that of the step, and what else changes."""
    assert step.explanation is not None
    pair, also = (step.explanation.state, step.explanation.action), step.explanation.also
    text = "" if pair == (step.transition.state, step.transition.action) else f"; s, a: {_name_pair(step, *pair)}"
    return text + (f"; {also}" if also else "")


def _name_pair(step: LastStep, state: int, action: int) -> str:
    """Return the place of a state, and the name of an action."""
    row, column = divmod(state, step.world.env.maze.columns)
    return f"row {row}, column {column}, {step.world.env.moves.actions[action]}"

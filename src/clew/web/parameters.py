"""Form elements of the parameters that an algorithm of a plug-in declares."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from clew.learning.declarations import Algorithm, Parameter


def show_parameters(
    column: Any, row: Algorithm, values: Mapping[str, Any], change: Callable[[str, Any], Awaitable[None]]
) -> None:
    """Show a form element for each parameter of an algorithm, and no others.

    Args:
        column: element in which they are shown.
        row: the algorithm.
        values: value of each parameter, by name.
        change: is called with the name and the value of a parameter that the visitor has changed.
    """

    async def read(parameter: Parameter, element: Any, event: Any) -> None:
        value = element.value
        is_whole = parameter.type is int and isinstance(value, float) and value.is_integer()
        await change(parameter.name, int(value) if is_whole else value)

    column.clear()
    with column:
        for each in row.parameters:
            element: Any
            if each.type is bool:
                element = ui.checkbox(each.name, value=values[each.name]).tooltip(each.help)
                element.on_value_change(partial(read, each, element))
            else:
                element = ui.number(each.name, value=values[each.name])
                element.props(f'dense outlined hint="{each.help.replace(chr(34), chr(39))}"')
                element.on("change", partial(read, each, element))
            element.props(f'data-parameter="{each.name}"').classes("w-full")

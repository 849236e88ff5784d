"""The one thing that we say to the compiler by hand: four numbers compared at once.

Numba turns the greatest of four, and the question which ones it is, into a dozen scalar instructions, most of what a
step on a grid takes. A processor does it in five on a vector of four. This is written in LLVM's own words, for any
processor; without the compiler the same is written in Python below.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_FOUR_FLOATS = ir.VectorType(ir.FloatType(), 4)
_LANES = ir.VectorType(ir.IntType(32), 4)


@intrinsic
def _greatest_of_four(typing_context: Any, numbers: Any, first: Any) -> Any:
    signature = types.Tuple((types.float32, types.int64))(numbers, first)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), _FOUR_FLOATS.as_pointer())
        row = builder.load(pointer)
        row.align = 4

        def greater(x: Any, order: list[int]) -> Any:
            y = builder.shuffle_vector(x, ir.Constant(_FOUR_FLOATS, ir.Undefined), ir.Constant(_LANES, order))
            return builder.select(builder.fcmp_ordered(">", x, y), x, y)

        best = greater(greater(row, [2, 3, 0, 1]), [1, 0, 3, 2])
        mask = builder.bitcast(builder.fcmp_ordered("==", row, best), ir.IntType(4))
        first_lane = builder.extract_element(best, ir.Constant(ir.IntType(32), 0))
        return context.make_tuple(builder, signature.return_type, [first_lane, builder.zext(mask, ir.IntType(64))])

    return signature, generate


def _greatest_in_python(numbers: npt.NDArray[np.float32], first: int) -> tuple[np.float32, int]:
    row = numbers[first : first + 4]
    best = row.max()
    return best, int(((row == best) << np.arange(4)).sum())


# greatest_of_four(numbers, first): the greatest of the four from `first` on, and the bit mask of those that equal it.
greatest_of_four: Any = _greatest_in_python if numba.config.DISABLE_JIT else _greatest_of_four

"""The one thing that we say to the compiler by hand: several numbers compared at once.

Numba turns the greatest of four, and the question which of them it is, into a dozen scalar instructions, most of what
a step on a grid takes; a processor does it in five on a vector. The same goes for blocks of a wide row. This is written
in LLVM's own words, for any processor; without the compiler it is done as Python would.

    greatest_of_four(numbers, i)    the greatest of four from flat index i on, and the bit mask of those that equal it
    greatest_of_block(numbers, i)   the same of BLOCK
    count_bits(mask)                how many bits are 1
    lowest_bit(mask)                place of the lowest one that is 1
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

BLOCK = 32
_INT64 = ir.IntType(64)


def _greatest_of(width: int) -> Callable[..., Any]:
    """The function for so many numbers, a power of two."""
    vector, places = ir.VectorType(ir.FloatType(), width), ir.VectorType(ir.IntType(32), width)

    def greatest(typing_context: Any, numbers: Any, i: Any) -> Any:
        if not (isinstance(numbers, types.Array) and numbers.dtype == types.float32 and numbers.layout == "C"):
            raise TypingError(f"the greatest of {width} needs a C-contiguous array of float32, not {numbers}")
        signature = types.Tuple((types.float32, types.int64))(numbers, i)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
            row = best = builder.load(pointer)
            row.align = 4
            distance = width // 2
            while distance > 0:  # each number with the one so far away: log2(width) times, and all hold the greatest
                turned = ir.Constant(places, [place ^ distance for place in range(width)])
                other = builder.shuffle_vector(best, ir.Constant(vector, ir.Undefined), turned)
                best = builder.select(builder.fcmp_ordered(">", best, other), best, other)
                distance //= 2
            mask = builder.bitcast(builder.fcmp_ordered("==", row, best), ir.IntType(width))
            first = builder.extract_element(best, ir.Constant(ir.IntType(32), 0))
            return context.make_tuple(builder, signature.return_type, [first, builder.zext(mask, _INT64)])

        return signature, generate

    def in_python(numbers: npt.NDArray[np.float32], i: int) -> tuple[np.float32, int]:
        row = numbers.reshape(-1)[i : i + width]
        best = row.max()
        return best, int(((row == best) << np.arange(width)).sum())

    return in_python if numba.config.DISABLE_JIT else intrinsic(greatest)


def _count_bits(typing_context: Any, mask: Any) -> Any:
    return types.int64(types.int64), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


def _lowest_bit(typing_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


greatest_of_four: Any = _greatest_of(4)
greatest_of_block: Any = _greatest_of(BLOCK)
count_bits: Any = (lambda mask: int(mask).bit_count()) if numba.config.DISABLE_JIT else intrinsic(_count_bits)
lowest_bit: Any = (
    (lambda mask: (int(mask) & -int(mask)).bit_length() - 1) if numba.config.DISABLE_JIT else intrinsic(_lowest_bit)
)

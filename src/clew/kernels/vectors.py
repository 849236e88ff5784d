"""The one thing that we say to the compiler by hand: several numbers compared at once.

Numba turns the greatest of four, and the question which of them it is, into a dozen scalar instructions, most of what
a step on a grid takes; a processor does it in five on a vector. The same goes for blocks of a wide row. This is written
in LLVM's own words, for any processor but for one line; without the compiler it is done as Python would.

    greatest_of_four(numbers, i)    the greatest of four from flat index i on, and the bit mask of those that equal it
    best_of_four(numbers, i)        that mask alone, in a shorter time, though with more instructions
    greatest_of_block(numbers, i)   as of four, of BLOCK
    count_bits(mask)                how many bits are 1
    lowest_bit(mask)                place of the lowest one that is 1
"""

import platform
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from clew.kernels import kernel

BLOCK = 32
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def _check_array(numbers: Any) -> None:
    """Refuse, while it is compiled, what lies otherwise in memory than we read it."""
    if not (isinstance(numbers, types.Array) and numbers.dtype == types.float32 and numbers.layout == "C"):
        raise TypingError(f"numbers that are compared at once need a C-contiguous array of float32, not {numbers}")


def _load(context: Any, builder: Any, signature: Any, arguments: Any, vector: Any) -> Any:
    """The numbers from a flat index on."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    row = builder.load(builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer()))
    row.align = 4
    return row


def _shuffled(builder: Any, row: Any, places: list[int]) -> Any:
    """A row with its numbers in other places."""
    where = ir.Constant(ir.VectorType(_INT32, len(places)), places)
    return builder.shuffle_vector(row, ir.Constant(row.type, ir.Undefined), where)


def _max_of(width: int) -> Callable[..., Any]:
    """The function for so many numbers, a power of two."""
    vector = ir.VectorType(ir.FloatType(), width)

    def max_and_mask(typing_context: Any, numbers: Any, i: Any) -> Any:
        _check_array(numbers)
        signature = types.Tuple((types.float32, types.int64))(numbers, i)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            row = best = _load(context, builder, signature, arguments, vector)
            distance = width // 2
            while distance > 0:  # each number with the one so far away: log2(width) times, and all hold the greatest
                other = _shuffled(builder, best, [place ^ distance for place in range(width)])
                best = builder.select(builder.fcmp_ordered(">", best, other), best, other)
                distance //= 2
            mask = builder.bitcast(builder.fcmp_ordered("==", row, best), ir.IntType(width))
            first = builder.extract_element(best, ir.Constant(_INT32, 0))
            return context.make_tuple(builder, signature.return_type, [first, builder.zext(mask, _INT64)])

        return signature, generate

    def uncompiled(numbers: npt.NDArray[np.float32], i: int) -> tuple[np.float32, int]:
        row = numbers.reshape(-1)[i : i + width]
        best = row.max()
        return best, int(((row == best) << np.arange(width)).sum())

    return uncompiled if numba.config.DISABLE_JIT else intrinsic(max_and_mask)


def _argmax_mask_of_four(typing_context: Any, numbers: Any, i: Any) -> Any:
    """Each of the four is held against the other three, at once: no comparison waits for the outcome of another.

    In x86's own words, for LLVM's would have AVX-512 compare them one after the other.
    """
    _check_array(numbers)
    vector, mask = ir.VectorType(ir.FloatType(), 4), ir.VectorType(_INT32, 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        declare, less_or_equal = builder.module.declare_intrinsic, ir.Constant(ir.IntType(8), 2)
        compare = declare("llvm.x86.sse.cmp.ps", fnty=ir.FunctionType(vector, [vector, vector, ir.IntType(8)]))
        signs = declare("llvm.x86.sse.movmsk.ps", fnty=ir.FunctionType(_INT32, [vector]))
        row = _load(context, builder, signature, arguments, vector)
        others = [_shuffled(builder, row, [(place + turn) % 4 for place in range(4)]) for turn in (1, 2, 3)]
        masks = [builder.bitcast(builder.call(compare, [other, row, less_or_equal]), mask) for other in others]
        best = builder.and_(builder.and_(masks[0], masks[1]), masks[2])
        return builder.zext(builder.call(signs, [builder.bitcast(best, vector)]), _INT64)

    return types.int64(numbers, i), generate


@kernel
def _portable_argmax_mask_of_four(numbers: npt.NDArray[np.float32], i: int) -> int:
    """The same on other processors."""
    return max_of_four(numbers, i)[1]


def _count_bits(typing_context: Any, mask: Any) -> Any:
    return types.int64(types.int64), lambda context, builder, signature, arguments: builder.ctpop(arguments[0])


def _lowest_bit(typing_context: Any, mask: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


_IS_X86 = platform.machine() in ("x86_64", "AMD64")
max_of_four: Any = _max_of(4)
max_of_block: Any = _max_of(BLOCK)
argmax_mask_of_four: Any = (
    intrinsic(_argmax_mask_of_four) if _IS_X86 and not numba.config.DISABLE_JIT else _portable_argmax_mask_of_four
)
count_bits: Any = (lambda mask: int(mask).bit_count()) if numba.config.DISABLE_JIT else intrinsic(_count_bits)
lowest_bit: Any = (
    (lambda mask: (int(mask) & -int(mask)).bit_length() - 1) if numba.config.DISABLE_JIT else intrinsic(_lowest_bit)
)

"""Maximum of 4 or 32 numbers, and which of them equal it, in a few vector instructions.

Most of a learning step on a grid is spent on the maximum of four values. Numba compiles it to about a dozen scalar
instructions, where vector instructions need five. These functions are therefore written in LLVM's intermediate
representation. All but `argmax_mask_of_four` are portable; that one uses an x86 instruction and falls back to a
portable form elsewhere. With NUMBA_DISABLE_JIT=1 all of them run as plain Python.

    max_of_four(numbers, i)             (maximum, mask) of the four numbers from flat index i on
    argmax_mask_of_four(numbers, i)     the mask alone: lower latency, more instructions
    max_of_block(numbers, i)            (maximum, mask) of the BLOCK numbers from flat index i on
    count_bits(mask)                    number of 1 bits
    lowest_bit(mask)                    index of the lowest 1 bit

Bit k of a mask is 1 if the number at i + k equals the maximum. `numbers` is a C-contiguous float32 array.
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
    """Raise a TypingError, at compile time, unless `numbers` is a C-contiguous float32 array."""
    if not (isinstance(numbers, types.Array) and numbers.dtype == types.float32 and numbers.layout == "C"):
        raise TypingError(f"numbers that are compared at once need a C-contiguous array of float32, not {numbers}")


def _load(context: Any, builder: Any, signature: Any, arguments: Any, vector: Any) -> Any:
    """Emit code that loads a vector of numbers, starting at a flat index."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    row = builder.load(builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer()))
    row.align = 4
    return row


def _shuffled(builder: Any, row: Any, places: list[int]) -> Any:
    """Emit code that permutes a vector: element k of the result is element places[k] of `row`."""
    where = ir.Constant(ir.VectorType(_INT32, len(places)), places)
    return builder.shuffle_vector(row, ir.Constant(row.type, ir.Undefined), where)


def _max_of(width: int) -> Callable[..., Any]:
    """Make the function that returns (maximum, mask) of `width` numbers; `width` must be a power of two."""
    vector = ir.VectorType(ir.FloatType(), width)

    def max_and_mask(typing_context: Any, numbers: Any, i: Any) -> Any:
        _check_array(numbers)
        signature = types.Tuple((types.float32, types.int64))(numbers, i)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            row = best = _load(context, builder, signature, arguments, vector)
            distance = width // 2
            while distance > 0:  # after log2(width) comparisons with shuffled copies all elements hold the maximum
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
    """Emit x86 code for the mask of the maxima of four numbers.

    Compares each number with the other three at once, so that no comparison waits for the result of another. An x86
    intrinsic, because from portable comparisons LLVM makes AVX-512 code that compares one after the other.
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
    """Return the mask of the maxima of four numbers, on any processor."""
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

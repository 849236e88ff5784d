"""Makes `clew/Maze-v0` known to Gymnasium without importing it: `import clew` stays light, in whatever order.

If Gymnasium has been imported, the environment is registered at once; otherwise right after it is.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

__all__ = ["ENTRY_POINT", "ENV_ID", "VECTOR_ENTRY_POINT", "register_with_gymnasium"]

ENV_ID = "clew/Maze-v0"
ENTRY_POINT, VECTOR_ENTRY_POINT = "clew.environments:make_environment", "clew.environments:make_vector_environment"


def register_with_gymnasium() -> None:
    """Register now, or as soon as Gymnasium is imported."""
    if "gymnasium" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _WhenImported())


def _register() -> None:
    import gymnasium

    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point=ENTRY_POINT, vector_entry_point=VECTOR_ENTRY_POINT)


class _WhenImported:
    """Steps aside at the first import of Gymnasium, and registers when that has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)  # so that the search below is for the real one
        try:
            spec = find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_then_register(module: ModuleType) -> None:
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                run(module)
                _register()

            spec.loader.exec_module = run_then_register  # type: ignore[method-assign]
        return spec

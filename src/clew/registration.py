"""Registration of `clew/Maze-v0` with Gymnasium, without importing it, so that `import clew` stays fast.

The environment is registered at once if Gymnasium has been imported already, else as soon as it is imported.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

ENV_ID = "clew/Maze-v0"
ENTRY_POINT, VECTOR_ENTRY_POINT = "clew.environments:make_environment", "clew.environments:make_vector_environment"


def register_with_gymnasium() -> None:
    """Register `clew/Maze-v0` now if Gymnasium has been imported, else when it is imported."""
    if "gymnasium" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _WhenImported())


def _register() -> None:
    """Register `clew/Maze-v0`, unless it has been registered."""
    import gymnasium

    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point=ENTRY_POINT, vector_entry_point=VECTOR_ENTRY_POINT)


class _WhenImported:
    """Import hook that finds nothing itself, but registers the environment after Gymnasium has been imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the real specification of Gymnasium, whose loader then also registers; None for other modules."""
        if fullname != "gymnasium":
            return None
        sys.meta_path.remove(self)  # so that the search below finds the real module
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

"""Version of Clew, as `clew.__version__` and the headers of checkpoints say it, and hashes of its sources.

pyproject.toml has the same version. A version says what was installed; a hash of the sources says what runs, also in a
checkout that was edited.
"""

__version__ = "0.1.0"


def hash_sources(*folders: str) -> str:
    """Return a SHA-256 of all modules of Python in a folder of this package, with their paths in that folder.

    Args:
        folders: path of the folder in the package, one part each; none for the whole package.
    """
    import hashlib  # here, because `import clew` imports this module
    from pathlib import Path

    root = Path(__file__).parent.joinpath(*folders)
    digest = hashlib.sha256()
    for source in sorted(root.rglob("*.py")):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()

"""What decides the results of a plug-in's code: part of the keys of everything that is cached or trained with it."""

from __future__ import annotations

import ast
import os
import sys
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from vcbench.api.registry import FILE_MODULE
from vcbench.base.errors import UserError
from vcbench.base.files import hash_file

OWN = "vcbench"  # its classes have a `version` of their own, raised when results change


class SourceError(UserError):
    """A file that a plug-in declares does not exist, or its source cannot be read."""


def source_key(plugin: type) -> dict[str, str]:
    """Hashes by file name for a class that was loaded from a file; the version by distribution for an installed one.

    The files are that of the class, the modules that it imports from the same folder (and they in turn), and those that the
    class declares in ``files``, relative to that folder: weights and other data.

    Raises:
        SourceError: a declared file does not exist.
    """
    if plugin.__module__.startswith(FILE_MODULE):
        main = Path(str(sys.modules[plugin.__module__].__file__))
        declared = [main.parent / name for name in getattr(plugin, "files", ())]
        for path in declared:
            if not path.is_file():
                raise SourceError(f"{plugin.__name__} in {main} declares the file {path}, which does not exist.")
        paths = {*_modules(main), *declared}
        return {os.path.relpath(path, main.parent): hash_file(path) for path in sorted(paths)}
    distributions = _distributions().get(plugin.__module__.partition(".")[0], [])
    return {name: version(name) for name in sorted(set(distributions)) if name != OWN}


@lru_cache(maxsize=1)
def _distributions() -> dict[str, list[str]]:
    return {package: list(names) for package, names in packages_distributions().items()}


def _modules(main: Path) -> set[Path]:
    """The file and all modules of its folder that it imports, directly or through others."""
    found, waiting = set[Path](), [main]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imports(path) for file in _files(main.parent, name)]
    return found


def _imports(path: Path) -> set[str]:
    """First parts of the names of imported modules."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise SourceError(f"{path} is not valid Python: {error}.") from error
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {(node.module or alias.name).partition(".")[0] for alias in node.names}
    return names


def _files(folder: Path, name: str) -> list[Path]:
    module, package = folder / f"{name}.py", folder / name
    if module.is_file():
        return [module]
    return sorted(package.rglob("*.py")) if (package / "__init__.py").is_file() else []

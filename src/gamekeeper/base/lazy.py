"""Names of a package that are loaded when first used, so that importing the package costs
nothing.
"""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Returns the `__getattr__` of a package (PEP 562) that loads its public names from their
    modules.

    Args:
        package: The package's `__name__`.
        homes: Dotted module, by the name that it defines.

    Example:
        >>> load = lazy_names("arithmetic", {"sqrt": "math"})
        >>> load("sqrt")(9.0)
        3.0
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return load

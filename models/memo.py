"""`Memo`: the results of a pure function, remembered per key as long as its arguments are the same.

Between two reconciles nearly everything is the same, and is the very same object: sources keep what did not change.
Then comparing costs next to nothing, since Python looks whether two objects are one before it looks into them.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
T = TypeVar("T")


class Memo(Generic[*Arguments, T]):
    """Remembers, for each key, the last arguments of a function and what it made of them.

    Between two calls of `forget_unused` each key is asked for once; what is not asked for is forgotten.
    """

    def __init__(self, function: Callable[[*Arguments], T]) -> None:
        self._function = function
        self._known: dict[Hashable, tuple[tuple[object, ...], T]] = {}
        self._used: dict[Hashable, tuple[tuple[object, ...], T]] = {}

    def __call__(self, key: Hashable, *arguments: *Arguments) -> T:
        """Return what the function makes of the arguments."""
        entry = self._known.get(key)
        if entry is None or entry[0] != arguments:
            entry = (arguments, self._function(*arguments))
        self._used[key] = entry
        return entry[1]

    def forget_unused(self) -> None:
        """Forget the results that nobody asked for since the last time."""
        self._known, self._used = self._used, {}

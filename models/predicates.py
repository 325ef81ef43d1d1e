"""Predicates: conditions on a request that no lookup table can answer, one HAProxy ACL each.

Routes that need them cost a rule each, for the requests that come near them only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Predicate:
    """A test of one property of a request: true if any of the patterns matches.

    ``fetch`` is a HAProxy sample fetch or ACL keyword, ``flags`` what follows it (``-i``, ``-m``, ``reg``). Both
    come from fixed lists, never from a label. Source: Configuration manual 7.1.
    """

    fetch: str
    patterns: tuple[str, ...]
    flags: tuple[str, ...] = ()
    negated: bool = False

"""Notices: what those who wrote a service's labels should know although nothing is wrong with the service.

They are no conditions: whether a service works never depends on them, and they may change with other services. Each has
one constructor here, so no other place spells a reason or a message.
"""

from dataclasses import dataclass
from enum import StrEnum


class NoticeReason(StrEnum):
    """The one-word kinds of notices; each is documented here and in ``docs/conditions.md``."""

    DEPRECATED_LABEL = "DeprecatedLabel"
    """A label has a better spelling now, or nothing is left of what it did."""
    LABEL_WITHOUT_EFFECT = "LabelWithoutEffect"
    """A label means nothing with the service's `reqMode`."""
    CONTESTED = "Contested"
    """Another service, which is told so too, claims what this one has: a route, port, name or certificate's name."""
    ROUTE_NOT_SHARED = "RouteNotShared"
    """Another member of its `trafficGroup` claims the same path with other conditions, so they share no requests."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know about one service."""

    reason: NoticeReason
    message: str


def deprecated(text: str) -> Notice:
    """A label has a better spelling; the text says which."""
    return Notice(NoticeReason.DEPRECATED_LABEL, text)


def without_effect(text: str) -> Notice:
    """A label means nothing; the text says with what."""
    return Notice(NoticeReason.LABEL_WITHOUT_EFFECT, text)


def contested(what: str, *, by: str) -> Notice:
    """The service ``by`` claims the same and does not get it."""
    return Notice(NoticeReason.CONTESTED, f"{what} is claimed by service {by} too, which does not get it")


def route_not_shared(*, route: str, group: str, other: str, other_route: str) -> Notice:
    """Two members of a group claim one path with different predicates."""
    return Notice(
        NoticeReason.ROUTE_NOT_SHARED,
        f"{route} is not shared out with service {other} of com.df.trafficGroup={group}, which claims {other_route}: "
        "all conditions of a shared route must be the same",
    )

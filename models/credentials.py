"""Which labels of a service may hold credentials, and whether any of a whole world do."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from models.labels.custom import RAW_LABELS
from models.reading import name_and_index
from models.service import SPELLINGS
from models.snapshot import Snapshot


def secret_values(labels: Mapping[str, str]) -> Iterator[str]:
    """Return the values that may be secret, as they were written, whatever the prefix and the index of the label."""
    for label, value in labels.items():
        if value and any(_is_secret(part) for part in label.split(".")):
            yield value


def may_be_shown(label: str) -> bool:
    """Return whether a label's value may be shown to everybody: what nobody here knows may be a secret, misspelled."""
    row = SPELLINGS.get(name_and_index(label)[0])
    return row is not None and row.label.is_shown and row.name not in RAW_LABELS


def holds_credentials(snapshot: Snapshot, known: AbstractSet[int] = frozenset()) -> bool:
    """Return whether a world has certificates, or services with labels that may be secret.

    ``known`` are the ``id`` of services that have been looked at before.
    """
    fresh = (each for each in snapshot.services if id(each) not in known)
    return bool(snapshot.certificates) or any(any(secret_values(each.labels)) for each in fresh)


def _is_secret(name: str) -> bool:
    row = SPELLINGS.get(name)
    return row is not None and (not row.label.is_shown or row.name in RAW_LABELS)

"""The map files: which there are, and the three in which HAProxy keeps for us what it cannot tell by itself.

``BACKENDS`` has the profile and service of every backend, and is changed with the backends. ``CERTIFICATES``
has what each certificate is, and is changed with the certificates. ``LOADED`` has the
digest of every section that only a reload can change, and is never changed at run time, until HAProxy is to end:
asking a running HAProxy for it tells what it was started from, whoever wrote the files since.
"""

from collections.abc import Iterable, Mapping
from itertools import zip_longest

from render.sections import digest

DOMAINS = "maps/domains.map"
WILDCARDS = "maps/wildcards.map"
CREDENTIALS = "maps/credentials.map"
OPTIONS = "maps/options.map"
MEMBERS = "maps/members.map"
SPLITS = "maps/splits.map"
EXACTS = "maps/exacts.map"
PREFIXES = "maps/prefixes.map"
PASSED_NAMES = "maps/passed-names.map"
PASSED_ENDINGS = "maps/passed-endings.map"
PASSED_REST = "maps/passed-rest.map"
BACKENDS = "maps/backends.map"
CERTIFICATES = "maps/certificates.map"
LOADED = "maps/loaded.map"
ROUTES = "maps/routes.map"

LEAVING = "leaving"
"""A key of ``LOADED`` that is there while HAProxy as a whole stops: no worker will take over."""

REMEMBERED_LOGINS = "table:logins"
"""The table of who has shown a password that could only be checked by hashing it."""

ORDERED_MAPS = frozenset({WILDCARDS, PASSED_ENDINGS})
"""Maps that HAProxy searches from top to bottom, so that their order counts (matching by ending)."""

MAKE_ORDER = (
    *(BACKENDS, ROUTES, CREDENTIALS, MEMBERS, OPTIONS),
    *(SPLITS, EXACTS, PREFIXES, WILDCARDS, DOMAINS),
    *(PASSED_NAMES, PASSED_ENDINGS, PASSED_REST),
)
"""The order in which entries appear: what is looked up first comes last, so no lookup meets a gap.

The names of TLS connections need one lookup only: there the widest entry comes last, so it takes nothing from others.
They vanish in reverse."""


def with_additions(file: str, running: Mapping[str, str], wanted: Mapping[str, str]) -> Mapping[str, str]:
    """Return the entries of a map after what is wanted was added to them, while the rest is still there."""
    if file == OPTIONS:
        wanted = {backend: _both(running.get(backend, ""), record) for backend, record in wanted.items()}
    if all(running.get(key) == value for key, value in wanted.items()):
        return running
    added = {**running, **wanted}
    return in_order(added) if file in ORDERED_MAPS else added


def _both(running: str, wanted: str) -> str:
    """Return a record that asks for all that is wanted, and for what was asked for besides.

    The backend's routes may change with it: as long as one is there that was there before, nothing is loosened.
    """
    *fields, letters = zip_longest(running.split("|"), wanted.split("|"), fillvalue="")
    return "|".join([*(after or before for before, after in fields), "".join(sorted({*"".join(letters)}))])


def in_order(entries: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of an ordered map in its order: the longest ending first, for the first match counts."""
    return dict(sorted(entries.items(), key=lambda entry: (-len(entry[0]), entry[0])))


def certificate_record(*, fingerprint: str, filters: Iterable[str]) -> str:
    """Return the value kept for a certificate: what it is, and for which names it is in the list (none: for all)."""
    names = " ".join(filters)
    return f"{fingerprint}|{digest(names) if names else ''}"


def filters_of(record: str) -> str:
    """Return what the record of a certificate says of its names: equal for equal names."""
    return record.partition("|")[2]


def backend_record(*, service: str, profile: str) -> str:
    """Return the value kept for a backend."""
    return f"{service}|{profile}"

"""Logins: users and passwords as data, so that they change at run time and no password is hashed for every request.

``LOGINS`` leads from a backend to its list of users and its realm; ``CREDENTIALS`` has a key for every user with a
password, which holds digests of both, never the password. Lists are named by their content: once a list has changed,
nothing that was known of the former one means anything.

Hashes of crypt(3) cannot be looked up. They stand in a userlist, and who has passed is remembered by the same
digest, in a table of HAProxy's (``REMEMBERED_LOGINS``), for ten minutes.
"""

import hashlib
from collections.abc import Iterable, Mapping

from models.proxy import Backend, Credential, UserList
from render import records
from render.environment import environment
from render.sections import Section, SectionKind, digest


def list_id(users: UserList) -> str:
    """Return the name of a list of users: other content, another name."""
    return digest(repr([(each.name, each.password, each.encrypted) for each in users.credentials]))


def logins_of(backends: Iterable[Backend]) -> dict[str, str]:
    """Return the entries of ``LOGINS``: a backend's list of users, and the realm that strangers are shown."""
    return {each.name: f"{list_id(each.user_list)}|{each.user_list.realm}" for each in backends if each.user_list}


def credentials_of(backends: Iterable[Backend]) -> dict[str, str]:
    """Return the entries of ``CREDENTIALS``: user names by list and digest."""
    lists: Mapping[str, UserList] = {list_id(each.user_list): each.user_list for each in backends if each.user_list}
    entries = {
        f"{name}#{_digest(credential)}": credential.name
        for name, users in lists.items()
        for credential in users.credentials
        if not credential.encrypted
    }
    return dict(sorted(entries.items()))


def _digest(credential: Credential) -> str:
    """Return what HAProxy makes of the same user and password (``sha2``, ``hex``)."""
    return hashlib.sha256(f"{credential.name}:{credential.password}".encode()).hexdigest().upper()


def hashed_section(users: UserList) -> Section | None:
    """Return the userlist of those whose password is only known as a hash; None if there are none."""
    hashed = tuple(each for each in users.credentials if each.encrypted)
    if not hashed:
        return None
    lines = environment().get_template("userlist.cfg.j2").render(credentials=hashed)
    name = f"users-{digest(lines)}"
    return Section(SectionKind.USERS, name, f"userlist {name}\n{lines}")


def remembering_section() -> Section:
    """Return the table of those who have passed with a hashed password."""
    name = records.REMEMBERED_LOGINS
    lines = "    stick-table type string len 96 size 100k expire 10m store gpc0\n"
    return Section(SectionKind.TABLE, name, f"backend {name} from base\n{lines}")

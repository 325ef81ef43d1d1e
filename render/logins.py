"""Logins: users and passwords as data, so that they change at run time and no password is hashed for every request.

The record of a backend (`render.options`) has its list of users and its realm; ``CREDENTIALS`` has a key for every user
with a password: a digest of both, never the password, and the list. Lists are named by their content: once a list has
changed, nothing that was known of the former one means anything.

The digest is SHA-1, which HAProxy makes by itself; for SHA-256 it asks OpenSSL, and a request with a password costs a
fifteenth more. What counts is that nobody finds another header with the digest of one that is known, and nobody can:
what is broken about SHA-1 is that two can be made which have the same.

Hashes of crypt(3) cannot be looked up; see `render.userlists`.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping

from models.proxy import Backend, Credential, UserList
from render.sections import digest


def list_id(users: UserList) -> str:
    """Return the name of a list of users: other content, another name."""
    return digest(repr([(each.name, each.password, each.encrypted) for each in users.credentials]))


def login_of(users: UserList) -> str:
    """Return what the record of a backend says of its users: their list, and the realm that strangers are shown."""
    return f"{list_id(users)}:{users.realm}"


def credentials_of(backends: Iterable[Backend]) -> dict[str, str]:
    """Return the entries of ``CREDENTIALS``: user names by digest and list."""
    lists: Mapping[str, UserList] = {list_id(each.user_list): each.user_list for each in backends if each.user_list}
    entries = {
        f"{_digest(credential)}#{name}": credential.name
        for name, users in lists.items()
        for credential in users.credentials
        if not credential.encrypted
    }
    return dict(sorted(entries.items()))


def _digest(credential: Credential) -> str:
    """Return what HAProxy makes of the header that has this user and password (RFC 7617, 2; ``sha1``, ``hex``)."""
    header = base64.b64encode(f"{credential.name}:{credential.password}".encode())
    return hashlib.sha1(header).hexdigest().upper()  # noqa: S324 - see above

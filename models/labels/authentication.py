"""Labels that ask for a user name and a password (HTTP basic authentication)."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator

from models.labels._table import Effect, Family, Label
from models.types import Allowed, Flag, ObjectName, reject_markup


@dataclass(frozen=True, slots=True)
class User:
    """A user name with its password or password hash; None means that the password is declared elsewhere."""

    name: str
    password: str | None = field(default=None, repr=False)


def parse_users(text: str) -> tuple[User, ...]:
    """Return the users of a text such as ``ann:secret,bob:other``, divided by commas or line breaks.

    A password may contain ``:``. Source: DFP's ``users`` parameter and ``dfp_users_*`` secrets.

    Raises:
        ValueError: a user has no name, or a character cannot be part of a password.
    """
    items = (item.strip() for item in text.replace("\n", ",").split(","))
    return tuple(_to_user(item) for item in items if item)


def _to_user(item: str) -> User:
    name, colon, password = item.partition(":")
    if not name or any(char.isspace() for char in name):
        raise ValueError("has a user without a name, or with a space in it")
    if not item.isprintable():
        raise ValueError("has a user with a control character")
    return User(name=name, password=password if colon and password else None)


def _to_users(value: object) -> object:
    if not isinstance(value, str):
        return value
    users = parse_users(reject_markup(value))
    if not users:
        raise ValueError("names no user")
    return users


Users = Annotated[
    tuple[User, ...],
    BeforeValidator(_to_users),
    Allowed("name:password pairs divided by ',', without line breaks, quotes, '%[' or '{{'"),
]


class Authentication(Family):
    """Who may use a destination."""

    users: Annotated[
        Users,
        Label(
            doc="Users who may access the service, instead of the proxy's own (`USERS`). A user without a password "
            "takes it from `usersSecret`, or else from `USERS`.",
            example="ann:secret,bob:secret2",
            indexed=False,
            option=True,
            restricts=True,
            secret=True,
        ),
    ] = ()
    users_secret: Annotated[
        ObjectName | None,
        Label(
            doc="The users stand in the secret `dfp_users_<value>` mounted in the proxy, as `name:password`, "
            "divided by commas or lines.",
            example="monitoring",
            indexed=False,
            restricts=True,
        ),
    ] = None
    ignore_authorization: Annotated[
        Flag,
        Label(
            doc="Asks nobody for a password here, whatever `users`, `usersSecret` and `USERS` say.",
            example="true",
            opens=True,
        ),
    ] = False
    users_pass_encrypted: Annotated[
        Flag,
        Label(
            doc="The passwords are hashes in the form of crypt(3), as `mkpasswd -m sha-512` makes them.",
            example="true",
            indexed=False,
            effect=Effect.PROFILE,
            why="HAProxy takes hashes only from its configuration; passwords in plain text change at run time",
            restricts=True,
        ),
    ] = False

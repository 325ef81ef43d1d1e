"""Who may use a destination: the labels, the mounted secrets and the proxy's own users, put together. Pure.

A destination whose users were asked for and cannot be found is closed, never open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models import conditions
from models.conditions import Condition
from models.labels.authentication import Authentication, User, parse_users
from models.proxy import Credential, UserList
from models.settings import ProxySettings

GLOBAL_REALM = "defaultRealm"
SECRET_PREFIX = "dfp_users_"  # noqa: S105 - the beginning of a name


@dataclass(frozen=True, slots=True)
class UserListResult:
    """The users of a destination (None: everybody may pass, unless it is ``closed``)."""

    user_list: UserList | None = None
    closed: bool = False
    conditions: tuple[Condition, ...] = ()


def user_list_of(
    service: str, asked: Authentication, settings: ProxySettings, secrets: Mapping[str, str]
) -> UserListResult:
    """Return the users of a destination of ``service``: its own replace those of the proxy.

    A user without a password takes it from the secret, or else, if no secret was named, from the proxy's users.
    Source: DFP's ``users`` and ``usersSecret`` parameters.
    """
    if asked.ignore_authorization:
        return UserListResult()
    if not asked.users and asked.users_secret is None:
        return UserListResult(_proxy_users(settings))
    in_secret: tuple[User, ...] = ()
    if asked.users_secret is not None:
        in_secret = _users_in(secrets.get(SECRET_PREFIX + asked.users_secret, ""))
    credentials = _credentials(asked, in_secret, settings)
    if credentials:
        known = {credential.name for credential in credentials}
        dropped = [user.name for user in asked.users or in_secret if user.name not in known]
        facts = (conditions.users_without_password(dropped),) if dropped else ()
        return UserListResult(UserList(f"{service}Realm", credentials), conditions=facts)
    missing = conditions.secret_not_found(
        secret=SECRET_PREFIX + asked.users_secret if asked.users_secret else "dfp_users",
        label="com.df.usersSecret" if asked.users_secret else "com.df.users",
    )
    return UserListResult(closed=True, conditions=(missing, conditions.failed_closed()))


def _credentials(asked: Authentication, in_secret: tuple[User, ...], settings: ProxySettings) -> tuple[Credential, ...]:
    own = _with_password(asked.users or in_secret, encrypted=asked.users_pass_encrypted)
    if asked.users_secret is not None:
        known = _with_password(in_secret, encrypted=asked.users_pass_encrypted)
    else:
        known = _with_password(settings.users, encrypted=settings.users_pass_encrypted)
    passwords = known | own
    names = dict.fromkeys(user.name for user in asked.users or in_secret)
    return tuple(passwords[name] for name in names if name in passwords)


def _with_password(users: Iterable[User], *, encrypted: bool) -> dict[str, Credential]:
    return {user.name: Credential(user.name, user.password, encrypted) for user in users if user.password is not None}


def _proxy_users(settings: ProxySettings) -> UserList | None:
    credentials = tuple(_with_password(settings.users, encrypted=settings.users_pass_encrypted).values())
    return UserList(GLOBAL_REALM, credentials) if credentials else None


def _users_in(secret: str) -> tuple[User, ...]:
    try:
        return parse_users(secret)
    except ValueError:
        return ()

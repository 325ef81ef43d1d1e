"""Users with hashed passwords, as far as HAProxy can check them. Pure."""

import re

from controller.migrating.translation import UntranslatableError
from models.labels.authentication import parse_users
from models.types import reject_markup

_CRYPT = re.compile(r"\$(?:1|5|6|2[aby])\$|zvar")
"""What crypt(3) of the image's C library can check; zvar begins what stands for a variable."""


def readable_users(text: str) -> str:
    """Return users for the label ``users``, with ``usersPassEncrypted``.

    Raises:
        UntranslatableError: a hash is of another kind, and nobody can make it one of these but who knows the password.
    """
    try:
        users = parse_users(reject_markup(text))
    except ValueError as error:
        raise UntranslatableError(f"the users cannot be read: the text {error}") from None
    for user in users:
        if user.password is None or not _CRYPT.match(user.password):
            raise UntranslatableError(
                f"the password of {user.name} is hashed in a way that HAProxy does not know (apr1, SHA-1); make a new "
                "hash (mkpasswd -m sha-512) for com.df.users with com.df.usersPassEncrypted=true"
            )
    return ",".join(f"{user.name}:{user.password}" for user in users)

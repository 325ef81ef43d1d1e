"""Userlists: those whose password is only known as a hash of crypt(3), which HAProxy has to make for each request.

So who has passed is remembered, by the digest that `render.logins` has for users with a known password, in a table of
HAProxy's (``REMEMBERED_LOGINS``), for ten minutes.
"""

from models.proxy import UserList
from render import records
from render.environment import environment
from render.sections import Section, SectionKind, digest


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
    lines = "    stick-table type string len 64 size 100k expire 10m store gpc0\n"
    return Section(SectionKind.TABLE, name, f"backend {name} from base\n{lines}")

"""How labels are read, which services are this proxy's, and who may access them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from models.base import Frozen
from models.labels.authentication import User, parse_users
from models.types import Allowed, Flag


def _to_users(value: object) -> object:
    if not isinstance(value, str):
        return value
    users = parse_users(value)
    if users and all(user.password is None for user in users):
        raise ValueError("has no user with a password")
    return users


class Labels(Frozen):
    """What the labels of services mean here."""

    users: Annotated[
        tuple[User, ...],
        BeforeValidator(_to_users),
        Field(description="Users who may access all services that do not declare their own (`name:password,...`)."),
        Allowed("name:password pairs divided by ','"),
    ] = ()
    users_pass_encrypted: Annotated[Flag, Field(description="The passwords in `USERS` are crypt(3) hashes.")] = False
    separator: Annotated[
        str, Field(min_length=1, max_length=1, description="Divides the items of lists in labels.")
    ] = ","
    filter_proxy_instance_name: Annotated[
        Flag, Field(description="Publish only services whose `com.df.proxyInstanceName` is `PROXY_INSTANCE_NAME`.")
    ] = False
    proxy_instance_name: Annotated[str, Field(description="The name of this proxy among several of one Swarm.")] = (
        "docker-flow"
    )
    endpoints: Annotated[
        Literal["vip", "tasks"],
        Field(description="`vip`: Swarm's virtual IPs balance the load; `tasks`: HAProxy does, for all services."),
    ] = "vip"

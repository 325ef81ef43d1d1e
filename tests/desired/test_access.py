"""Who may use a destination: its labels, mounted secrets and the proxy's own users together."""

from ipaddress import ip_network

import pytest
from builders import PROXY_NETWORK, condition, desired_of, reasons, service, snapshot

from controller.endpoints import Surroundings
from models.proxy import Backend, Credential, Desired
from models.settings import ProxySettings

HASH = "$6$ab$cd"
SECRET = {"dfp_users_monitoring": "ann:from-secret\nbob:bobs, carl:a:b"}


def guarded(
    labels: dict[str, str], *, secrets: dict[str, str] | None = None, settings: dict[str, str] | None = None
) -> tuple[Desired, Backend]:
    """Build a service with labels about users; returns it with its only backend."""
    surroundings = Surroundings(networks=(ip_network(PROXY_NETWORK),), secrets=secrets or {})
    world = snapshot(service(labels={"servicePath": "/web", "port": "80", **labels}))
    desired = desired_of(world, settings=ProxySettings(**(settings or {})), surroundings=surroundings)
    (backend,) = desired.backends
    return desired, backend


@pytest.mark.parametrize(
    ("labels", "secrets", "settings", "realm", "credentials"),
    [
        pytest.param(
            {},
            {},
            {"users": "ann:a,bob:b"},
            "defaultRealm",
            {Credential("ann", "a"), Credential("bob", "b")},
            id="global",
        ),
        pytest.param(
            {},
            {},
            {"users": f"ann:{HASH}", "users_pass_encrypted": "true"},
            "defaultRealm",
            {Credential("ann", HASH, encrypted=True)},
            id="global and encrypted",
        ),
        pytest.param(
            {"users": "carl:c"}, {}, {"users": "ann:a"}, "webRealm", {Credential("carl", "c")}, id="own replace global"
        ),
        pytest.param(
            {"users": f"carl:{HASH}", "usersPassEncrypted": "true"},
            {},
            {"users": "ann:a"},
            "webRealm",
            {Credential("carl", HASH, encrypted=True)},
            id="own and encrypted",
        ),
        pytest.param(
            {"users": "ann"},
            {},
            {"users": "ann:a,bob:b"},
            "webRealm",
            {Credential("ann", "a")},
            id="password from global",
        ),
        pytest.param(
            {"users": "ann,carl:c", "usersPassEncrypted": "false"},
            {},
            {"users": f"ann:{HASH}", "users_pass_encrypted": "true"},
            "webRealm",
            {Credential("ann", HASH, encrypted=True), Credential("carl", "c")},
            id="encrypted password from global beside a plain one",
        ),
        pytest.param(
            {"usersSecret": "monitoring"},
            SECRET,
            {"users": "ann:a"},
            "webRealm",
            {Credential("ann", "from-secret"), Credential("bob", "bobs"), Credential("carl", "a:b")},
            id="secret",
        ),
        pytest.param(
            {"usersSecret": "monitoring", "users": "bob"},
            SECRET,
            {},
            "webRealm",
            {Credential("bob", "bobs")},
            id="some of a secret",
        ),
        pytest.param(
            {"usersSecret": "monitoring", "users": "ann:own"},
            SECRET,
            {},
            "webRealm",
            {Credential("ann", "own")},
            id="own password before that of the secret",
        ),
        pytest.param(
            {"usersSecret": "monitoring", "usersPassEncrypted": "true"},
            {"dfp_users_monitoring": f"ann:{HASH}\n"},
            {},
            "webRealm",
            {Credential("ann", HASH, encrypted=True)},
            id="encrypted secret",
        ),
    ],
)
def test_users(
    labels: dict[str, str],
    secrets: dict[str, str],
    settings: dict[str, str],
    realm: str,
    credentials: set[Credential],
) -> None:
    """A service's own users replace those of the proxy, and passwords are found where they were left to."""
    desired, backend = guarded(labels, secrets=secrets, settings=settings)
    assert backend.user_list is not None
    assert (backend.user_list.realm, set(backend.user_list.credentials)) == (realm, credentials)
    assert not backend.closed
    assert reasons(desired, "web") == ("Accepted", "ResolvedRefs", "Programmed")


def test_without_users_everybody_may_pass() -> None:
    """Nobody asked for users."""
    _, backend = guarded({})
    assert (backend.user_list, backend.closed) == (None, False)


@pytest.mark.parametrize(
    ("labels", "secrets", "secret"),
    [
        pytest.param({"usersSecret": "monitoring"}, {}, "dfp_users_monitoring", id="secret not mounted"),
        pytest.param({"usersSecret": "x"}, {"dfp_users_x": " \n"}, "dfp_users_x", id="secret is empty"),
        pytest.param({"usersSecret": "x"}, {"dfp_users_x": ":pw"}, "dfp_users_x", id="secret cannot be read"),
        pytest.param({"usersSecret": "x"}, {"dfp_users_x": "ann"}, "dfp_users_x", id="secret without passwords"),
        pytest.param({"usersSecret": "x", "users": "zoe"}, {"dfp_users_x": "ann:a"}, "dfp_users_x", id="not in secret"),
        pytest.param({"users": "zoe"}, {}, "dfp_users", id="not among the global users"),
    ],
)
def test_users_that_cannot_be_found_close_the_service(
    labels: dict[str, str], secrets: dict[str, str], secret: str
) -> None:
    """It was meant to be guarded, so it is not served without a guard; the message names the secret."""
    desired, backend = guarded(labels, secrets=secrets, settings={"users": "ann:a"})
    assert (backend.user_list, backend.closed) == (None, True)
    assert reasons(desired, "web") == ("Accepted", "SecretNotFound", "FailedClosed")
    assert f" {secret}, " in condition(desired, "web", "ResolvedRefs").message


def test_no_password_is_in_a_message() -> None:
    """Conditions are shown to everybody."""
    desired, _ = guarded({"usersSecret": "x"}, secrets={"dfp_users_x": "hunter2"}, settings={"users": "ann:hunter2"})
    assert "hunter2" not in repr(desired.conditions)
    assert "hunter2" not in repr(desired)


def test_a_user_who_is_named_twice_is_one_user() -> None:
    """HAProxy warns of a second one, and a warning is a refusal."""
    _, backend = guarded({"users": "ann:first,ann:second"})
    assert backend.user_list is not None
    assert [user.name for user in backend.user_list.credentials] == ["ann"]


def test_tcp_is_not_guarded_by_the_proxys_users() -> None:
    """They are about HTTP; a TCP port has no way to ask."""
    labels = {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}
    desired = desired_of(snapshot(service(labels=labels)), settings=ProxySettings(users="ann:a"))
    (backend,) = desired.backends
    assert (backend.user_list, backend.closed) == (None, False)

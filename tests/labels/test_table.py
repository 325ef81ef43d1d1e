"""The label table is complete: each row documents itself, by an example that is valid."""

from typing import Annotated

import pytest
from builders import read

from models.labels._table import Effect, Family, Label, Row, rows_of
from models.service import TABLE
from models.types import Port

ROWS = [pytest.param(row, id=row.name) for row in TABLE.values()]
CONTEXT = {
    "redirectFromDomain": {"serviceDomain": "x.com"},
    "srcPort": {"reqMode": "tcp"},
    "reqMode": {"srcPort": "6379"},
    "usersPassEncrypted": {"users": "ann:$1$x$y"},
}
"""What must stand beside a label for it to make sense."""


@pytest.mark.parametrize("row", ROWS)
def test_row_has_a_doc_of_whole_sentences(row: Row) -> None:
    """The text goes into the documentation as it is."""
    assert row.label.doc
    assert row.label.doc[0].isupper() or row.label.doc[0] == "`"
    assert row.label.doc.endswith(".")


@pytest.mark.parametrize("row", ROWS)
def test_row_says_what_is_allowed(row: Row) -> None:
    """Every refusal ends with this text."""
    assert row.allowed
    assert "\n" not in row.allowed


@pytest.mark.parametrize("row", ROWS)
def test_example_is_valid(row: Row) -> None:
    """What the documentation shows can be copied."""
    plain = {"servicePath": "/demo", "port": "8080"}
    reading = read({**plain, **CONTEXT.get(row.name, {}), row.name: row.label.example})
    assert reading.problems == ()


@pytest.mark.parametrize("row", [param for param in ROWS if param.values[0].label.indexed])
def test_example_is_valid_for_one_destination(row: Row) -> None:
    """A label that may be indexed is read with an index as it is without."""
    plain = {"servicePath.3": "/demo", "port.3": "8080"}
    context = {f"{name}.3": value for name, value in CONTEXT.get(row.name, {}).items()}
    assert read({**plain, **context, f"{row.name}.3": row.label.example}).problems == ()


@pytest.mark.parametrize("row", ROWS)
def test_key_is_what_users_write(row: Row) -> None:
    """Index 0 is the bare label."""
    assert row.key("com.df.") == f"com.df.{row.name}"
    assert row.key("com.df.", 2) == f"com.df.{row.name}.2"


def test_labels_of_dfp_keep_their_names() -> None:
    """These come from DFP and its users' stack files: they may never be renamed."""
    assert set(TABLE) >= {
        *("notify", "distribute", "servicePath", "port", "serviceDomain", "reqPathSearchReplace", "users"),
        *("usersPassEncrypted", "usersSecret", "reqMode", "srcPort", "aclName", "outboundHostname"),
    }


def test_whatever_narrows_access_restricts_and_nothing_else_does() -> None:
    """What fails closed is known."""
    assert {name for name, row in TABLE.items() if row.label.restricts} == {
        *("users", "usersSecret", "usersPassEncrypted", "allowedSrc", "deniedSrc", "allowedMethods", "deniedMethods"),
        *("denyHttp", "httpsOnly", "redirectWhenHttpProto", "redirectUnlessHttpsProto"),
        *("servicePathExclude", "verifyClientSsl"),
    }


def test_only_passwords_are_secret() -> None:
    """Other values are shown in messages."""
    assert {name for name, row in TABLE.items() if row.label.secret} == {"users", "serviceCert"}


class WithoutLabel(Family):
    """A family with a field that does not document itself."""

    port: Port = 80


class WithoutAllowed(Family):
    """A family with a field whose type says nothing about its values."""

    port: Annotated[int, Label(doc="A port.", example="80")] = 80


@pytest.mark.parametrize("family", [WithoutLabel, WithoutAllowed])
def test_incomplete_field_stops_the_import(family: type[Family]) -> None:
    """The table is complete or it does not exist."""
    with pytest.raises(TypeError, match="needs a Label and a type that says what is Allowed"):
        rows_of("odd", family)


@pytest.mark.parametrize("effect", [Effect.PROFILE, Effect.RELOAD])
def test_what_takes_a_reload_has_to_say_why(effect: Effect) -> None:
    """Nobody finds out only in production."""

    class Costly(Family):
        port: Annotated[Port, Label(doc="A port.", example="80", effect=effect)] = 80

    with pytest.raises(TypeError, match=f"port does not say why its label takes a {effect.value}"):
        rows_of("costly", Costly)

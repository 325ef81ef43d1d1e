"""Bodies under the keys of DFP and DFSL. Source: DFP's and DFSL's "Usage"."""

from typing import Annotated, Any, Literal, Optional

from pydantic import Field, create_model

from models.base import Frozen
from models.conditions import Condition
from models.labels._table import Row
from models.service import DESTINATION_FAMILIES, SERVICE_FAMILIES, TABLE, Destination, ProxyService

_FAMILIES = SERVICE_FAMILIES | DESTINATION_FAMILIES


class Ok(Frozen):
    """All is well."""

    Status: Literal["OK"] = "OK"


class Said(Frozen):
    """Whether something was done, and in words what or why not."""

    Status: Literal["OK", "NOK"]
    Message: str
    ServiceName: str = ""


class Failed(Frozen):
    """What the listener could not do."""

    Status: Literal["NOK"] = "NOK"
    Message: str


class CertificateFile(Frozen):
    """A certificate, without its key."""

    ServicePort: str = ""
    ProxyServiceName: Annotated[str, Field(description="The name of the file.")]
    CertsDir: str
    CertContent: Annotated[str, Field(description="The certificates of the chain, as PEM.")]


class CertificatesSaid(Frozen):
    """What became of a certificate that was put, and all that there are."""

    Status: Literal["OK", "NOK"]
    Message: str
    Certs: tuple[CertificateFile, ...]


def shown_rows(*families: str) -> tuple[Row, ...]:
    """Return the labels of some families whose values are shown: all but secrets."""
    return tuple(row for row in TABLE.values() if row.family in families and row.label.is_shown)


def key_of(row: Row) -> str:
    """Return DFP's JSON key of a label: its name in upper camel case."""
    return row.name[:1].upper() + row.name[1:]


def _fields(*families: str) -> dict[str, Any]:
    """Return the fields for some families of labels; what a service does not say is left out."""
    return {
        key_of(row): (Optional[_FAMILIES[row.family].model_fields[row.field].annotation], None)  # noqa: UP045 - computed
        for row in shown_rows(*families)
    }


class _Indexed(Frozen):
    Index: Annotated[int, Field(description="The index of its labels; 0 if they have none.")] = 0


class _Named(Frozen):
    ServiceName: str = ""


class _Judged(Said):
    Conditions: tuple[Condition, ...] = ()
    Converging: Annotated[tuple[str, ...], Field(description="Replicas that have not programmed it yet.")] = ()


DestinationFacts = create_model(
    "DestinationFacts",
    __doc__="A destination of a service: the parameters that it was given, under DFP's keys.",
    __base__=_Indexed,
    **_fields(*DESTINATION_FAMILIES),
)
_SERVICE: dict[str, Any] = _fields(*SERVICE_FAMILIES) | {"ServiceDest": (tuple[DestinationFacts, ...], ())}
ServiceFacts = create_model(
    "ServiceFacts", __doc__="A service with its parameters, under DFP's keys.", __base__=_Named, **_SERVICE
)
Reconfigured = create_model(
    "Reconfigured",
    __doc__="What became of a service, and the service itself if it was accepted.",
    __base__=_Judged,
    **_SERVICE,
)


def service_facts(form: ProxyService) -> dict[str, Any]:
    """Return a service as `ServiceFacts` describes it."""
    return {
        "ServiceName": form.name,
        **_values(form, *SERVICE_FAMILIES),
        "AclName": form.acl_name,
        "ServiceDest": [{"Index": each.index, **_values(each, *DESTINATION_FAMILIES)} for each in form.destinations],
    }


def _values(part: ProxyService | Destination, *families: str) -> dict[str, Any]:
    content = part.model_dump(mode="json", include=set(families))
    return {
        key_of(row): value
        for row in shown_rows(*families)
        if (value := content[row.family][row.field]) not in (None, [], "")
    }

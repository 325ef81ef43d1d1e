"""The schema in OpenAPI's form: just the answers that the paths declare."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.http.answers.needs import JSON, SECURITY

_OK = 200
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


class DescribedAPI(FastAPI):
    """An application whose schema has, of each path, the answers that it declares, and no others.

    By itself FastAPI adds an answer to every path with parameters, whether or not these can be wrong.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the schema."""
        if self.openapi_schema is None:
            schema = super().openapi()
            for route in self.routes:
                if isinstance(route, APIRoute) and route.include_in_schema:
                    for method in route.methods or ():
                        _keep_declared(schema["paths"][route.path][method.lower()], route)
            components = schema.setdefault("components", {})
            for name in _FASTAPIS_OWN:
                components.get("schemas", {}).pop(name, None)
            components["securitySchemes"] = {name: dict(scheme) for name, scheme in SECURITY.items()}
        return super().openapi()


def _keep_declared(operation: dict[str, Any], route: APIRoute) -> None:
    """Leave in the description of one method what its route declares."""
    answers = {int(status): answer for status, answer in operation["responses"].items()}
    operation["responses"] = {str(status): answers[status] for status in sorted(answers) if status in route.responses}
    declared = route.responses[_OK].get("content", {JSON: {}})
    good = operation["responses"][str(_OK)]
    good["content"] = {media: good["content"][media] for media in declared}

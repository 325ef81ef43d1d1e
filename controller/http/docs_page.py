"""The page at ``/docs``, where the API can be tried in a browser."""

import base64
import hashlib
import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

_LIBRARY = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/"
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(app: FastAPI) -> None:
    """Add the page; a browser runs nothing in it but its own script and Swagger UI."""
    page = bytes(
        get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{_LIBRARY}swagger-ui-bundle.js",
            swagger_css_url=f"{_LIBRARY}swagger-ui.css",
            swagger_favicon_url="data:,",
        ).body
    ).decode()
    hashes = (hashlib.sha256(script.encode()).digest() for script in _INLINE.findall(page))
    own = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    policy = (
        f"default-src 'none'; script-src {_LIBRARY} {own}; style-src {_LIBRARY} 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

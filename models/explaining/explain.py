"""`explain`: a request's way through the proxy, by the tables that HAProxy looks it up in."""

from models.explaining.asked import Asked
from models.explaining.explanation import Explanation
from models.proxy import Desired
from models.settings import ProxySettings


def explain(desired: Desired, settings: ProxySettings, asked: Asked) -> Explanation:
    """Return what becomes of a request under a desired state, and why."""
    raise NotImplementedError

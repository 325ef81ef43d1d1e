"""Settings: every variable of the two roles, each with its documentation and default, in one file per subject.

A field ``stats_user`` is the variable ``STATS_USER`` and the secret ``dfp_stats_user``; reading them is the business of
`controller.environment`.
"""

from models.settings.listener import ListenerSettings
from models.settings.ports import Bind
from models.settings.proxy import ProxySettings
from models.settings.request_log import Capture
from models.settings.shared import Settings

__all__ = ["Bind", "Capture", "ListenerSettings", "ProxySettings", "Settings"]

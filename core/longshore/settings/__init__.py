"""What can be set, where it is read, and what is in effect: see docs/settings.md."""

from longshore.masking import mask_url
from longshore.settings.explanation import Effective, explain, ignored, show
from longshore.settings.layers import variable
from longshore.settings.model import Settings
from longshore.settings.queues import QueueSettings
from longshore.settings.refusal import SettingsError
from longshore.settings.trace import Ignored

__all__ = [
    "Effective",
    "Ignored",
    "QueueSettings",
    "Settings",
    "SettingsError",
    "explain",
    "ignored",
    "mask_url",
    "show",
    "variable",
]

"""Passwords out of URLs, before they reach a log line, a table or an error message."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

# Each character is looked at once or twice by either pattern, so hostile text costs linear time.
_USER: Final = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*+://[^\s:/@?#]*+:")
_OPTION: Final = re.compile(r"([?&])([^=&?#\s]*+)=([^&#\s'\"]*+)")
_SECRET: Final = re.compile(
    r"pass|pwd|secret|token|credential|signature|api[_-]?key|access[_-]?key", re.IGNORECASE
)


def mask_url(url: str) -> str:
    """Write `***` for the password of a URL, and for options whose names say they are secret.

    Made for what people really write: a password with an unescaped `@` or `/` is masked whole,
    at worst with more of the URL than needed. A URL inside other text is masked too, and text
    without one is answered as it is. Never raises; linear.
    """
    return _OPTION.sub(_masked_option, _without_password(url))


def _without_password(text: str) -> str:
    found = _USER.search(text)
    if found is None:
        return text
    rest = text[found.end() :]
    before_options = re.split(r"[?#]", rest, maxsplit=1)[0]
    # A "?" is not valid in a password, and a password that holds one is no less secret for that.
    end = before_options.rfind("@") if "@" in before_options else rest.rfind("@")
    return text if end < 0 else f"{text[: found.end()]}{MASK}{rest[end:]}"


def _masked_option(option: re.Match[str]) -> str:
    start, name, value = option.groups()
    return f"{start}{name}={MASK if _SECRET.search(name) else value}"

"""Passwords out of URLs, before they reach a log line, a table or an error message."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_MOST: Final = 20
"""URLs in one text that are looked at; of more, nothing is shown."""

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


def mask_meant(text: str) -> str:
    """Mask what was given as a URL, also where it lacks the scheme that would make it one."""
    if "://" in text or "@" not in text:
        return mask_url(text)
    return f"{MASK}@{text.rpartition('@')[2]}"


def shown(url: str, text: str) -> str:
    """Answer a part of a URL as it may be shown: `***` where it may be part of a password.

    That is all that does not stand behind the last `@`, however the URL was taken apart.
    """
    return text if "@" not in url or text in url.rpartition("@")[2] else MASK


def _without_password(text: str) -> str:
    done: list[str] = []
    while (found := _USER.search(text)) is not None:
        before, rest = text[: found.end()], text[found.end() :]
        end = _end_of_password(rest)
        done.append(before if end < 0 else before + MASK)
        text = rest[max(end, 0) :]
        if len(done) == _MOST:
            return f"{''.join(done)}{MASK}"
    return "".join(done) + text


def _end_of_password(rest: str) -> int:
    """Where the `@` of the host stands, -1 without one.

    A "?" is not valid in a password, and a password that holds one is no less secret for that.
    """
    before_options = re.split(r"[?#]", rest, maxsplit=1)[0]
    last, end = rest.rfind("@"), before_options.rfind("@")
    an_option = "=" in rest[len(before_options) : last]
    return end if end >= 0 and an_option else last


def _masked_option(option: re.Match[str]) -> str:
    start, name, value = option.groups()
    return f"{start}{name}={MASK if _SECRET.search(name) else value}"

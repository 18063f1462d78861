"""RabbitMQ's management API, where the URL names it: what AMQP does not tell."""

from __future__ import annotations

import base64
import json
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from longshore.errors import UnavailableError

if TYPE_CHECKING:
    from longshore_adapters.rabbitmq.options import Options

ANSWER: Final = 5.0
_NOT_FOUND: Final = 404


def ask(options: Options, path: str, *parts: str) -> Any:  # noqa: ANN401 - a JSON document
    """Get a document; None where there is none. Blocks. `UnavailableError` without an answer."""
    where = "/".join((f"{options.management}/api", path, *(quote(part, safe="") for part in parts)))
    password = f"{options.user}:{options.password}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(password).decode()}"}
    request = Request(where, headers=headers)  # noqa: S310 - the scheme was checked with the URL
    try:
        with urlopen(request, timeout=ANSWER, context=_context(options)) as answer:  # noqa: S310 - as above
            return json.load(answer)
    except HTTPError as error:
        with error:
            if error.code == _NOT_FOUND:
                return None
            message = f"RabbitMQ's management API answered {error.code}; check the user's tags"
            raise UnavailableError(message) from error
    except (URLError, OSError, ValueError) as error:
        message = (
            f"RabbitMQ's management API does not answer: {error}; enable it with "
            "rabbitmq-plugins enable rabbitmq_management, or correct management= in the URL"
        )
        raise UnavailableError(message) from error


def _context(options: Options) -> ssl.SSLContext | None:
    if options.management is None or not options.management.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=options.ca_file)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

"""Fuzz the decoders with atheris, guided by coverage: python -m tests.fuzz.run [seconds].

Atheris is no dependency of the project; README.md beside this says how to install it.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tests.fuzz.hostile import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 600
LONGEST: Final = 4096
SLOW: Final = 5
"""Seconds after which one input counts as a hang."""
WRAPPINGS: Final = 4
TWISTED: Final = 128
"""From this first byte on, the rest says what to change in a sample; below it is the body."""
CHOICES: Final = 14
"""Bytes that lead a twist: more of them would put texts into texts, each with twice the escapes."""


def main(seconds: int) -> None:
    """Run for so long; libFuzzer prints what it finds, and writes the input beside the corpus."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["longshore"]):
        samples = importlib.import_module("tests.fuzz.samples").SAMPLES
        targets = importlib.import_module("tests.fuzz.targets")
    sns: Callable[..., object] = importlib.import_module("tests.unit.producers").sns
    every = list(samples.values())

    def one_input(data: bytes) -> None:
        """Two bytes choose a sample and what the rest is wrapped in."""
        if len(data) > 1:
            body, attributes = every[data[0] % len(every)]
            inner = data[2:] if data[0] < TWISTED else _twisted(body, list(data[2:CHOICES]))
            targets.read(_wrapped(inner, data[1] % WRAPPINGS, sns), attributes)

    with tempfile.TemporaryDirectory() as folder:
        _seed(Path(folder), [body for body, _ in every])
        options = [f"-max_total_time={seconds}", f"-timeout={SLOW}", f"-max_len={LONGEST}"]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", folder], one_input)
        atheris.Fuzz()


def _wrapped(body: bytes, how: int, sns: Callable[..., object]) -> bytes:
    """Put bytes where other decoders look: in an SNS message, in Celery's base64, compressed."""
    text = body.decode("utf-8", "replace")
    if how == 1:
        return json.dumps(sns(text)).encode()
    if how == 2:
        return base64.b64encode(body)
    if how == 3:
        packed = base64.b64encode(body).decode()
        head = '{"specversion":"1.0","id":"1","source":"/","type":"t","dataencoding":"gzip"'
        return f'{head},"data_base64":"{packed}"}}'.encode()
    return body


def _twisted(body: bytes, choices: list[int]) -> bytes:
    """Change values of a sample that is JSON, led by bytes; those of texts inside it as well."""
    in_base64 = not body.startswith((b"{", b"[", b'"'))
    try:
        document = json.loads(base64.b64decode(body) if in_base64 else body)
    except ValueError:
        return body
    while choices:
        document = _twist(document, choices)
    raw = json.dumps(document).encode()
    return base64.b64encode(raw) if in_base64 else raw


def _twist(value: Any, choices: list[int]) -> Any:
    choice = choices.pop() if choices else 0
    if isinstance(value, str) and choice % 2:
        try:
            return json.dumps(_twist(json.loads(value), choices))
        except ValueError:
            return value + chr(choice)
    if not value or not isinstance(value, (dict, list)) or choice < len(HOSTILE):
        return deepcopy(HOSTILE[choice % len(HOSTILE)])
    inside = cast("Any", value)
    keys: list[Any] = list(inside) if isinstance(value, dict) else list(range(len(inside)))
    key = keys[choice % len(keys)]
    inside[key] = _twist(inside[key], choices)
    return inside


def _seed(folder: Path, bodies: list[bytes]) -> None:
    for number, body in enumerate(bodies):
        (folder / f"sample-{number}").write_bytes(bytes([number, 0]) + body)
        (folder / f"twisted-{number}").write_bytes(bytes([TWISTED + number, 0, 30, 31, 32]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)

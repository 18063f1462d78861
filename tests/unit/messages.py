"""What tests of messages share: the schema, how hypothesis makes messages, bodies by hand."""

from __future__ import annotations

import json
import string
from datetime import UTC
from importlib.resources import files
from typing import Any

import jsonschema
from hypothesis import strategies as st

from longshore.message import MAX_TEXT, Message

SCHEMA: dict[str, Any] = json.loads(
    files("longshore").joinpath("schemas/message.json").read_text("utf-8")
)
VALIDATOR: Any = jsonschema.Draft202012Validator(SCHEMA)  # its own types are in part unknown

CORE = {"specversion": "1.0", "id": "7b", "source": "/billing", "type": "invoice.render"}

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
data = st.none() | st.lists(json_values) | st.dictionaries(st.text(), json_values)
short = st.text(min_size=1, max_size=MAX_TEXT)
text = st.none() | st.text()
moments = st.none() | st.datetimes(timezones=st.just(UTC))
task_names = st.text(string.ascii_letters + string.digits + "_.:@/-", min_size=1, max_size=200)
tags = st.text().map(lambda one: one.replace(",", "").strip()).filter(bool)
own_attributes = st.from_regex(r"x[a-z0-9]{0,19}", fullmatch=True)
messages: st.SearchStrategy[Message] = st.builds(
    Message,
    id=short,
    type=task_names,
    source=st.text(min_size=1),
    data=data,
    time=moments,
    subject=text,
    dataschema=text,
    traceparent=text,
    tracestate=text,
    taskkey=st.none() | short,
    notbefore=moments,
    expirytime=moments,
    taskpriority=st.none() | st.integers(0, 100),
    taskattempts=st.none() | st.integers(1, 1_000_000),
    tasktimeout=st.none() | st.integers(1, 31_536_000),
    partitionkey=text,
    tasktags=st.lists(tags, max_size=4).map(tuple),
    correlationid=text,
    causationid=text,
    extensions=st.dictionaries(
        own_attributes, st.text() | st.integers() | st.booleans(), max_size=4
    ),
)


def body_of(**attributes: object) -> bytes:
    return json.dumps({**CORE, **attributes}).encode()

"""An AsyncAPI 3 document of an application: its queues, and the message of each task."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from longshore.arguments import source_of
from longshore.codec import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.definition import TaskDefinition, TaskRegistry
    from longshore.policy import Policy

VERSION: Final = "3.0.0"
_NO_KEY: Final = re.compile(r"[^A-Za-z0-9._-]")

Table = dict[str, Any]


def asyncapi(registry: TaskRegistry, policy: Policy, *, title: str, version: str) -> Table:
    """Describe what may be sent to an application; `title` and `version` are the application's.

    Each queue is a channel, and each task a message there: a CloudEvent whose data are the keyword
    arguments. Positional arguments and the events of others are not in it.
    """
    tasks = {_key(number, task): task for number, task in enumerate(registry)}
    queues = {key: task.options.queue or policy.route(task.name) for key, task in tasks.items()}
    return {
        "asyncapi": VERSION,
        "info": {"title": title, "version": version},
        "defaultContentType": CONTENT_TYPE,
        "channels": {queue: _channel(queue, queues) for queue in sorted(set(queues.values()))},
        "operations": {key: _operation(key, queues[key]) for key in tasks},
        "components": {"messages": {key: _message(key, task) for key, task in tasks.items()}},
    }


def _key(number: int, task: TaskDefinition) -> str:
    """Name a task as the document may: two tasks whose names come to the same are numbered."""
    plain = _NO_KEY.sub("_", task.name)
    return plain if plain == task.name else f"{plain}-{number}"


def _channel(queue: str, queues: Mapping[str, str]) -> Table:
    own = [key for key, its in queues.items() if its == queue]
    messages = {key: {"$ref": f"#/components/messages/{key}"} for key in own}
    return {"address": queue, "messages": messages}


def _operation(key: str, queue: str) -> Table:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{queue}"},
        "messages": [{"$ref": f"#/channels/{queue}/messages/{key}"}],
    }


def _message(key: str, task: TaskDefinition) -> Table:
    summary = (task.function.__doc__ or "").strip().partition("\n")[0]
    text = {"type": "string", "minLength": 1}
    said = {"title": task.options.title or task.name, "summary": summary}
    return {
        "name": task.name,
        **{name: one for name, one in said.items() if one},
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {**text, "maxLength": 128},
                "source": text,
                "type": {"const": task.name},
                "data": _data(f"#/components/messages/{key}/payload/properties/data", task),
            },
        },
    }


def _data(place: str, task: TaskDefinition) -> Table:
    """Describe the keyword arguments; types that JSON has no word for may be anything."""
    hints = _hints(task)
    parameters = task.arguments.signature.parameters.values()
    named = [one for one in parameters if one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}]
    shared: Table = {}
    properties = {one.name: _schema(hints.get(one.name, Any), place, shared) for one in named}
    data: Table = {
        "type": "object",
        "properties": properties,
        "required": [one.name for one in named if one.default is one.empty],
        "additionalProperties": any(one.kind is one.VAR_KEYWORD for one in parameters),
    }
    return data | ({"$defs": shared} if shared else {})


def _hints(task: TaskDefinition) -> Table:
    target: Any = task.function.__init__ if task.is_class else source_of(task.function)
    try:
        return get_type_hints(target, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating an annotation runs the author's code
        return {}


def _schema(annotation: Any, place: str, shared: Table) -> Table:  # noqa: ANN401 - any type
    from pydantic import PydanticUserError, TypeAdapter  # noqa: PLC0415 - kept off the import path

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        schema = adapter.json_schema(ref_template=f"{place}/$defs/{{model}}")
    except PydanticUserError:
        return {}
    shared |= schema.pop("$defs", {})
    return schema

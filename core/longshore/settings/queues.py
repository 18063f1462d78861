"""What may be set for one queue alone."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from longshore.codec import DEFAULT_FORMATS, FORMATS
from longshore.message import NAME_PATTERN
from longshore.priority import NORMAL
from longshore.settings import kinds
from longshore.settings.refusal import NestedProblems, Problem, SettingsError, problems_of
from longshore.settings.trace import GIVEN

T = TypeVar("T")

LONGEST_LEASE: Final = timedelta(hours=12)
SHORTEST: Final = timedelta(milliseconds=1)
SHORTEST_LEASE: Final = timedelta(seconds=1)
MOST_ATTEMPTS: Final = 1_000_000

_format: Final = kinds.text("|".join(FORMATS), "one of " + ", ".join(FORMATS))
_place: Final = kinds.text(
    r"[a-z][a-z0-9+.-]*://[^\s/]+(?:/\S*)?", "a URL such as s3://bucket or s3://bucket/prefix"
)
_task_name: Final = kinds.text(NAME_PATTERN.pattern, "a task's name, such as invoice.render")


class QueueSettings(BaseModel):
    """Defaults of the tasks of one queue, and how workers serve it.

    A task's own definition, and then its caller, may say otherwise of the first six; tags add
    up. The rest is for workers. Raises ConfigurationError for values that cannot be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: Annotated[int, BeforeValidator(kinds.priority)] = Field(
        default=NORMAL,
        description="Priority of its tasks, 0 to 100, higher first; or low, normal, high, urgent.",
    )
    attempts: Annotated[int, BeforeValidator(kinds.whole(1, MOST_ATTEMPTS))] = Field(
        default=3,
        description="Tries of a task, the first included; 1 means no retry.",
    )
    timeout: Annotated[
        timedelta | None, BeforeValidator(kinds.optional(kinds.duration(SHORTEST)))
    ] = Field(
        default=None,
        description="How long one attempt may take.",
    )
    retry_after: Annotated[
        tuple[timedelta, ...],
        BeforeValidator(kinds.several(kinds.duration(timedelta(0)), "a duration, or several")),
    ] = Field(
        default=(),
        description=(
            "The wait before each retry; the last of several repeats. Without it: 2, 4, 8 … 300 s."
        ),
    )
    expires: Annotated[
        timedelta | None, BeforeValidator(kinds.optional(kinds.duration(SHORTEST)))
    ] = Field(
        default=None,
        description="A task that has not started so long after it was enqueued never will.",
    )
    delete_on_complete: bool = Field(
        default=False,
        description="Strip a task's row to its key and state once it has succeeded.",
    )
    lease: Annotated[timedelta, BeforeValidator(kinds.duration(SHORTEST_LEASE, LONGEST_LEASE))] = (
        Field(
            default=timedelta(seconds=30),
            description="How long a task stays its worker's without a sign of life.",
        )
    )
    concurrency: Annotated[int | None, BeforeValidator(kinds.optional(kinds.whole(1)))] = Field(
        default=None,
        description="Tasks of this queue that one worker process runs at once, at most.",
    )
    weight: Annotated[int, BeforeValidator(kinds.whole(1, 1000))] = Field(
        default=1,
        description="Its share of a worker that serves several queues by weight.",
    )
    tags: Annotated[
        tuple[str, ...], BeforeValidator(kinds.several(kinds.tag, "tags, without commas"))
    ] = Field(
        default=(),
        description="Tags that every task of this queue has.",
    )
    task: Annotated[str | None, BeforeValidator(kinds.optional(_task_name))] = Field(
        default=None,
        description="The task of messages that name none: their body is its arguments.",
    )
    formats: Annotated[tuple[str, ...], BeforeValidator(kinds.several(_format, "formats"))] = Field(
        default=DEFAULT_FORMATS,
        description="What may be read beside Longshore's own messages; see wire-format.md.",
    )
    split: bool = Field(
        default=False,
        description="Make a task of each record of an S3 notification, not one of all of them.",
    )
    fetch_from: Annotated[
        tuple[str, ...], BeforeValidator(kinds.several(_place, "places of the same kind"))
    ] = Field(
        default=(),
        description="Where messages may point to for what they hold, such as s3://bucket/prefix.",
    )

    log: Literal["full", "claims", "failures", "off"] = Field(
        default="full",
        description="How much of its tasks is logged: all, from the claim on, failures, nothing.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _refused_in_words(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            problems = problems_of(error, cls.model_fields)
            raise SettingsError(problems, lambda _: GIVEN) from None


def read_queues(value: object) -> dict[str, QueueSettings]:
    """Read the tables of all queues by name; a ValueError holds the problems of all of them."""

    def read(name: str, table: object) -> tuple[str, QueueSettings]:
        return kinds.queue_name(name), QueueSettings.model_validate(table)

    return _read_table(value, read, '[queues.NAME] in TOML, or JSON {"NAME": {…}}')


def read_routes(value: object) -> dict[str, str]:
    """Read task names or patterns and their queues; problems as in `read_queues`."""

    def read(pattern: str, queue: object) -> tuple[str, str]:
        if isinstance(queue, Mapping):
            message = "a queue's name; in TOML a task's name with dots needs quotes"
            raise ValueError(message)  # noqa: TRY004 - readers raise ValueErrors
        return kinds.pattern(pattern), kinds.queue_name(queue)

    return _read_table(value, read, "[routes] in TOML, JSON {…}, or NAME=QUEUE, NAME=QUEUE")


def _read_table(
    value: object, read: Callable[[str, object], tuple[str, T]], accepted: str
) -> dict[str, T]:
    if not isinstance(value, Mapping):
        raise ValueError(accepted)  # noqa: TRY004 - pydantic collects ValueErrors only
    table: dict[str, T] = {}
    problems: list[Problem] = []
    for key, inner in cast("Mapping[object, object]", value).items():
        try:
            name, found = read(str(key), inner)
            table[name] = found
        except SettingsError as error:
            problems += [problem.under(str(key)) for problem in error.problems]
        except ValueError as error:
            problem = Problem(path=(str(key),), given=inner, accepted=f"accepted: {error}")
            problems.append(problem)
    if problems:
        raise NestedProblems(problems)
    return table

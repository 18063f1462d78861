"""The settings themselves: names, kinds, defaults, and the order of the sources."""

from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, Self, cast

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from longshore.report import SMALLEST_REPORT
from longshore.settings import kinds
from longshore.settings.layers import read_layers
from longshore.settings.queues import (
    LONGEST_LEASE,
    MOST_ATTEMPTS,
    SHORTEST,
    SHORTEST_LEASE,
    QueueSettings,
    read_queues,
    read_routes,
)
from longshore.settings.refusal import SettingsError, problems_of
from longshore.settings.trace import Trace

_TRACE: Final = "(trace)"
"""Carries the trace past pydantic-settings' merging; no setting can have this name."""

_INHERITED: Final = ("attempts", "timeout", "lease")
_ZERO: Final = timedelta(0)
_SHORTEST_STALL: Final = timedelta(milliseconds=100)
SHORTEST_AUDIT: Final = timedelta(minutes=1)
SHORTEST_LOOK: Final = timedelta(seconds=1)

_Url = Annotated[str, BeforeValidator(kinds.url)]
_Keep = Annotated[timedelta | None, BeforeValidator(kinds.optional(kinds.duration(_ZERO)))]
_PortUrl = Annotated[str | None, BeforeValidator(kinds.optional(kinds.url))]


def _address(value: object) -> str:
    """Read an address; TOML and code may give a port as a number."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return kinds.address(str(value) if number else value)


class _LayerSource(PydanticBaseSettingsSource):
    """Hands what a layer says to pydantic-settings, which merges tables key by key."""

    def __init__(self, settings: type[BaseSettings], values: Mapping[str, object]) -> None:
        super().__init__(settings)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        """Answer a field's value: the contract of pydantic-settings."""
        del field
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, object]:
        """Answer all values of the layer."""
        return dict(self._values)


class Settings(BaseSettings):
    """Everything that can be set, frozen. The strongest source of a value wins, in this order.

    Values given in code; the environment (`LONGSHORE_*`); `.env` and `longshore.toml` in the
    working directory; the originals' variable names; defaults. Tables (`queues`, `routes`) are
    merged key by key. Making settings reads the sources, once; nothing reads them again.

    Raises ConfigurationError, with a line for each value that cannot be used.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    _trace: Trace = PrivateAttr(default_factory=Trace)

    url: _Url = Field(
        default="sqlite:///longshore.db",
        description="Where queue, log and store are. The scheme chooses the adapter.",
        repr=False,
    )
    queue_url: _PortUrl = Field(
        default=None,
        description="Where the queue is, if elsewhere.",
        repr=False,
    )
    log_url: _PortUrl = Field(
        default=None,
        description="Where the task log is, if elsewhere.",
        repr=False,
    )
    store_url: _PortUrl = Field(
        default=None,
        description="Where the store is (leases, limits, control records), if elsewhere.",
        repr=False,
    )
    app: Annotated[str | None, BeforeValidator(kinds.optional(kinds.app))] = Field(
        default=None,
        description="The application, as module:object.",
    )
    imports: Annotated[
        tuple[str, ...], BeforeValidator(kinds.several(kinds.module, "names of modules"))
    ] = Field(
        default=(),
        description="Modules whose functions may be called as module:function, unregistered.",
    )
    queue: Annotated[str, BeforeValidator(kinds.queue_name)] = Field(
        default="default",
        description="The queue of tasks that name none and that no route fits.",
    )
    queues: Annotated[Mapping[str, QueueSettings], BeforeValidator(read_queues)] = Field(
        default_factory=dict[str, QueueSettings],
        description="What is set for one queue alone, by its name.",
    )
    routes: Annotated[Mapping[str, str], BeforeValidator(read_routes)] = Field(
        default_factory=dict[str, str],
        description="Task names or patterns, and the queue that their tasks go to.",
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
    timezone: Annotated[str, BeforeValidator(kinds.zone_name)] = Field(
        default="UTC",
        description="The zone of times that name none.",
    )
    concurrency: Annotated[int, BeforeValidator(kinds.whole(1, 100_000))] = Field(
        default=20,
        description="Tasks that one worker process runs at once.",
    )
    processes: Annotated[int, BeforeValidator(kinds.whole(1, 1000))] = Field(
        default=1,
        description="Worker processes that one command starts.",
    )
    prefetch: Annotated[int | None, BeforeValidator(kinds.optional(kinds.whole(0)))] = Field(
        default=None,
        description="Tasks that a worker process holds beyond those it runs; none lets it choose.",
    )
    lease: Annotated[timedelta, BeforeValidator(kinds.duration(SHORTEST_LEASE, LONGEST_LEASE))] = (
        Field(
            default=timedelta(seconds=30),
            description="How long a task stays its worker's without a sign of life.",
        )
    )
    poll: Annotated[timedelta, BeforeValidator(kinds.duration(_ZERO))] = Field(
        default=timedelta(seconds=20),
        description="How long a worker waits for the first message of an empty queue.",
    )
    grace: Annotated[timedelta, BeforeValidator(kinds.duration(_ZERO))] = Field(
        default=timedelta(seconds=30),
        description="How long running tasks may go on when a worker is asked to stop.",
    )
    selection: Literal["weighted", "strict", "round-robin"] = Field(
        default="weighted",
        description="How a worker's queues share it: by weight, the first first, or evenly.",
    )
    stop_file: Annotated[str | None, BeforeValidator(kinds.optional(kinds.path))] = Field(
        default=None,
        description="A file that makes workers drain while it exists, and none start.",
    )
    lock_file: Annotated[str | None, BeforeValidator(kinds.optional(kinds.path))] = Field(
        default=None,
        description="A file that one worker locks while it works; a second one does not start.",
    )
    admin: Annotated[str | None, BeforeValidator(kinds.optional(_address))] = Field(
        default=None,
        description="Where a worker answers probes and gives its metrics, as HOST:PORT.",
    )
    stall_limit: Annotated[timedelta, BeforeValidator(kinds.duration(_SHORTEST_STALL))] = Field(
        default=timedelta(seconds=30),
        description="How long a worker's loop may stand still, with no handler holding it.",
    )
    block_limit: Annotated[timedelta, BeforeValidator(kinds.duration(_SHORTEST_STALL))] = Field(
        default=timedelta(minutes=10),
        description="How long a handler without a timeout may hold a worker's loop.",
    )
    max_rescues: Annotated[int, BeforeValidator(kinds.whole(0, 1000))] = Field(
        default=3,
        description="How often a task is taken over from a lost worker before it counts as poison.",
    )
    max_tasks: Annotated[int | None, BeforeValidator(kinds.optional(kinds.whole(1)))] = Field(
        default=None,
        description="Tasks after which a worker process ends, to be replaced.",
    )
    max_time: Annotated[
        timedelta | None, BeforeValidator(kinds.optional(kinds.duration(SHORTEST)))
    ] = Field(
        default=None,
        description="How long a worker process lives before it ends, to be replaced.",
    )
    memory_limit: Annotated[int | None, BeforeValidator(kinds.optional(kinds.whole(1)))] = Field(
        default=None,
        description="Memory in MB (2^20 bytes) above which a worker process ends, to be replaced.",
    )
    result_limit: Annotated[int, BeforeValidator(kinds.whole(1))] = Field(
        default=262_144,
        description="Bytes that a task's result may have.",
    )
    report_limit: Annotated[int, BeforeValidator(kinds.whole(SMALLEST_REPORT))] = Field(
        default=65_536,
        description="Bytes that a task's report may have; a longer one is shortened.",
    )
    log_lines: Annotated[int, BeforeValidator(kinds.whole(0))] = Field(
        default=1000,
        description="Lines kept of what one attempt logs and prints.",
    )
    log_bytes: Annotated[int, BeforeValidator(kinds.whole(0))] = Field(
        default=65_536,
        description="Bytes kept of what one attempt logs and prints.",
    )
    keep_succeeded: _Keep = Field(
        default=timedelta(days=7),
        description="How long the log keeps tasks that succeeded; none or 0: for ever.",
    )
    keep_failed: _Keep = Field(
        default=timedelta(days=30),
        description="How long the log keeps tasks that failed; none or 0: for ever.",
    )
    keep_cancelled: _Keep = Field(
        default=timedelta(days=7),
        description="How long the log keeps tasks that were cancelled; none or 0: for ever.",
    )
    keep_expired: _Keep = Field(
        default=timedelta(days=7),
        description="How long the log keeps tasks that expired; none or 0: for ever.",
    )
    message_retention: Annotated[timedelta, BeforeValidator(kinds.duration(_ZERO))] = Field(
        default=timedelta(days=28),
        description=(
            "How long brokers keep a message, queue and dead letters together; no task is removed"
            " from a log elsewhere before that."
        ),
    )
    audit_every: Annotated[timedelta, BeforeValidator(kinds.duration(SHORTEST_AUDIT))] = Field(
        default=timedelta(minutes=15),
        description="How often tasks are looked for whose messages the broker has lost.",
    )
    telemetry: Literal["auto", "on", "off"] = Field(
        default="auto",
        description=(
            "Whether traces, metrics and logs are exported: as OTEL_* variables and the"
            " application ask, always, or never."
        ),
    )
    trace_parent: Literal["fresh", "never"] = Field(
        default="fresh",
        description=(
            "Whether the first attempt of a task belongs to its producer's trace, unless it waits"
            " longer than an hour; else it is only linked to it."
        ),
    )
    trace_settling: bool = Field(
        default=False,
        description="Whether acknowledging and its like have spans of their own.",
    )
    trace_baggage: Annotated[
        tuple[str, ...], BeforeValidator(kinds.several(kinds.baggage_key, "keys of baggage"))
    ] = Field(
        default=(),
        description="Keys of OpenTelemetry's baggage that travel with tasks, a kilobyte at most.",
    )
    trace_xray: bool = Field(
        default=False,
        description="Whether messages carry the header of AWS X-Ray besides, where SQS takes it.",
    )
    depth_every: Annotated[
        timedelta | None, BeforeValidator(kinds.optional(kinds.duration(SHORTEST_LOOK)))
    ] = Field(
        default=timedelta(seconds=15),
        description=(
            "How often the leading scheduler asks how much waits in each queue, where metrics are"
            " wanted; on SQS each look is a request and has its price."
        ),
    )
    log_level: Annotated[str, BeforeValidator(kinds.log_level)] = Field(
        default="INFO",
        description="The least severe messages that the commands write to their own log.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="How the commands write their own log: for people or for programs.",
    )

    @classmethod
    def load(cls, **given: object) -> Self:
        """Make settings of all sources; `given` is what code says, of any accepted kind."""
        return cls.model_validate(given)

    def with_flags(self, **flags: object) -> Self:
        """Read the sources anew, with command-line flags between what code gave and the rest."""
        return self.load(**{**flags, **self._trace.given})

    def for_queue(self, name: str) -> QueueSettings:
        """Answer the settings of a queue: its own, then those of all queues, then defaults."""
        own = self.queues.get(name) or QueueSettings()
        general = {
            setting: cast("object", getattr(self, setting))
            for setting in _INHERITED
            if setting not in own.model_fields_set
        }
        return own.model_copy(update=general)

    def route(self, task_name: str) -> str | None:
        """Answer the queue a task is routed to: by its name, else by the longest pattern.

        Of patterns equally long the first in alphabetical order decides. None where none fits.
        """
        if task_name in self.routes:
            return self.routes[task_name]
        fitting = [pattern for pattern in self.routes if fnmatchcase(task_name, pattern)]
        if not fitting:
            return None
        return self.routes[min(fitting, key=lambda pattern: (-len(pattern), pattern))]

    @property
    def trace(self) -> Trace:
        """Where each value came from, and what was ignored."""
        return self._trace

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put our readers in the place of pydantic's, which cannot say where a value came from."""
        del env_settings, dotenv_settings, file_secret_settings
        trace = read_layers(init_settings(), cls.model_fields)
        sources = [_LayerSource(settings_cls, layer.values) for layer in trace.layers]
        return (*sources, _LayerSource(settings_cls, {_TRACE: trace}))

    @model_validator(mode="wrap")
    @classmethod
    def _traced(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        trace = cast("dict[str, object]", values).pop(_TRACE, None)
        if not isinstance(trace, Trace):
            # pydantic asks twice where it goes through __init__; only that one has read sources.
            return handler(values)
        try:
            settings = handler(values)
        except ValidationError as error:
            problems = problems_of(error, cls.model_fields)
            raise SettingsError(problems, lambda problem: trace.source(problem.path)) from None
        settings._trace = trace  # noqa: SLF001 - of our own class
        return settings

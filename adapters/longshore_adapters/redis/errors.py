"""What redis-py and the server answer, said in Longshore's words, with the next step in each."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from longshore.errors import ConfigurationError, LongshoreError, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_UNAVAILABLE: Final[Mapping[str, str]] = {
    "OOM": "is out of memory and takes no writes; give it more maxmemory, or prune",
    "LOADING": "still loads its data; try again",
    "BUSY": "is held by a script that runs too long; try again, and see: SLOWLOG GET",
    "MASTERDOWN": "has lost its primary; try again when the failover is done",
    "TRYAGAIN": "is moving keys between nodes; try again",
    "CLUSTERDOWN": "is a cluster that cannot serve; try again when its nodes are back",
    "MISCONF": "cannot write its snapshots and takes no writes; free its disk, and see its log",
    "NOREPLICAS": "takes no writes because too few replicas follow it; bring them back",
    "READONLY": "is a replica and takes no writes; give the address of the primary",
    "UNBLOCKED": "was failed over; try again",
    "WRONGPASS": "does not accept this user and password; check both in the URL",
    "NOAUTH": "asks for a password; write redis://user:password@host, or redis://:password@host",
    "NOPERM": "does not allow this user what it needs; grant it: ~{PREFIX}:* +@all -@admin",
    "ERR max number of clients reached": "serves no more clients; raise its maxclients",
}
"""What may pass by itself, or by somebody's hand, without a change to the URL."""

_STORAGE: Final[Mapping[str, str]] = {
    "MOVED": "is a node of a cluster and does not hold these keys; all keys of a prefix are on one "
    "node: give that node's address, or another prefix",
    "ASK": "is a node of a cluster and gives these keys away; give the other node's address",
    "WRONGTYPE": "holds other data under Longshore's keys; give it a prefix of its own: ?prefix=",
    "ERR DB index": "has no database of this number; give a lower one: redis://host/0",
    "ERR invalid DB index": "has no database of this number; give a lower one: redis://host/0",
    "ERR unknown command": "lacks a command that is needed; use Redis 6.2 or newer, or Valkey",
}
"""What stays as it is until somebody changes it."""


def missing_sdk(error: ImportError) -> ConfigurationError:
    """The extra is not installed."""
    return ConfigurationError(
        f"redis:// needs redis-py ({error}); run: pip install 'longshore[redis]'"
    )


def evicts(where: str, policy: str) -> StorageError:
    """The server would throw tasks away."""
    return StorageError(
        f"the Redis server {where} evicts any key when its memory is full (maxmemory-policy "
        f"{policy}), and would lose tasks; run: CONFIG SET maxmemory-policy noeviction"
    )


def too_old(where: str, version: str) -> StorageError:
    """The server lacks commands."""
    return StorageError(
        f"the server {where} is Redis {version}, and Longshore needs 6.2 or newer; upgrade it"
    )


def is_replica(where: str) -> StorageError:
    """The server only follows another."""
    return StorageError(
        f"the Redis server {where} is a replica and takes no writes; give the address of the "
        "primary"
    )


def said(text: str, where: str) -> LongshoreError:
    """Find the sentence for what the server answered."""
    told = f" (Redis: {text[:300]})"
    for start, problem in _UNAVAILABLE.items():
        if text.startswith(start):
            return UnavailableError(f"the Redis server {where} {problem}{told}")
    for start, problem in _STORAGE.items():
        if text.startswith(start):
            return StorageError(f"the Redis server {where} {problem}{told}")
    return StorageError(
        f"the Redis server {where} refused; was what is under the prefix changed by another "
        f"program? Look, or give another prefix{told}"
    )


@contextmanager
def translate(where: str) -> Generator[None]:
    """Turn what redis-py raises about a server into a `LongshoreError`, from the original."""
    try:
        yield
    except Exception as error:  # translated goes by its kind, and what is none of theirs goes on
        found = translated(error, where)
        if found is None:
            raise
        raise found from error


def translated(error: Exception, where: str) -> LongshoreError | None:
    """Find the sentence for an error; None where it is not of redis-py's or of the network's."""
    # Imported here, since by now it was: importing this package must not import redis-py.
    from redis import exceptions  # noqa: PLC0415 - see above

    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        message = f"the Redis server {where} did not answer in time; try again, or raise ?timeout="
        return UnavailableError(message)
    if isinstance(error, exceptions.ResponseError):
        return said(_coded(error), where)
    if isinstance(error, exceptions.RedisError | OSError):
        text = _coded(error)
        if any(text.startswith(start) for start in _UNAVAILABLE):
            return said(text, where)
        message = f"the Redis server {where} cannot be reached ({text}); start it, or check the URL"
        return UnavailableError(message)
    return None


def _coded(error: Exception) -> str:
    """The server's words with their code, which redis-py takes off where it has a class for it."""
    from redis import exceptions  # noqa: PLC0415 - as above

    code = getattr(error, "status_code", None)
    text = str(error)
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.OutOfMemoryError, "OOM"),
        (exceptions.ReadOnlyError, "READONLY"),
        (exceptions.NoPermissionError, "NOPERM"),
        (exceptions.BusyLoadingError, "LOADING"),
        (exceptions.MovedError, "MOVED"),
        (exceptions.AskError, "ASK"),
        (exceptions.MasterDownError, "MASTERDOWN"),
        (exceptions.ClusterDownError, "CLUSTERDOWN"),
        (exceptions.AuthenticationError, "NOAUTH" if "required" in text else "WRONGPASS"),
    )
    prefix = next((each for kind, each in kinds if isinstance(error, kind)), code)
    return text if prefix is None or text.startswith(str(prefix)) else f"{prefix} {text}"

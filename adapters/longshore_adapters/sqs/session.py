"""The SDK's sessions and clients: loaded when the first is needed, with credentials as usual."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from longshore.errors import ConfigurationError
from longshore_adapters.sqs.errors import unreached
from longshore_adapters.sqs.options import Options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from aiobotocore.client import AioBaseClient
    from botocore.loaders import Loader
    from botocore.session import Session
    from types_boto3_sqs import SQSClient


class Access:
    """How an event loop comes to clients: one session, which is of one thread."""

    def __init__(self, options: Options) -> None:
        """Load the SDK; `ConfigurationError` without it, and without region or profile."""
        try:
            from aiobotocore.session import AioSession  # noqa: PLC0415 - loaded when it is needed
        except ImportError as error:
            _missing(error)
        self._options = options
        self._session: Any = AioSession(profile=options.profile)
        self._session.register_component("data_loader", loader())
        hush()
        if options.role_arn:
            from longshore_adapters.sqs.roles import AioRole  # noqa: PLC0415 - as above

            _first(self._session, AioRole(options))
        self._region = _region(self._session, options)

    def client(
        self, settings: Mapping[str, object], **keys: str
    ) -> AbstractAsyncContextManager[AioBaseClient]:
        """Make a client; `keys` are credentials instead of those that would be found."""
        from aiobotocore.config import AioConfig  # noqa: PLC0415 - as above

        given: dict[str, Any] = {"region_name": self._region, **settings}
        client: AbstractAsyncContextManager[AioBaseClient] = self._session.create_client(
            "sqs", endpoint_url=self._options.endpoint_url, config=AioConfig(**given), **keys
        )
        return client


def sync_client_of(options: Options, settings: Mapping[str, object]) -> tuple[SQSClient, Session]:
    """Make a client for threads, and give the session that has its credentials."""
    try:
        from boto3.session import Session as BotoSession  # noqa: PLC0415 - as above
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above
        from botocore.session import Session  # noqa: PLC0415 - as above
    except ImportError as error:
        _missing(error)
    core = Session(profile=options.profile)
    core.register_component("data_loader", loader())
    if options.role_arn:
        from longshore_adapters.sqs.roles import Role  # noqa: PLC0415 - as above

        _first(core, Role(options))
    given: dict[str, Any] = {"region_name": _region(core, options), **settings}
    session: Any = BotoSession(botocore_session=core)
    try:
        client: SQSClient = session.client(
            "sqs", endpoint_url=options.endpoint_url, config=Config(**given)
        )
    except BotoCoreError as error:
        raise unreached(error, "CreateClient") from error
    return client, core


async def warm_up() -> None:
    """Make a client for nobody, so that what it reads and builds is there for the next."""
    access = Access(Options(region="us-east-1"))
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    async with access.client({}, **keys):
        pass


@cache
def loader() -> Loader:
    """Read the service's description once in a process: it is most of what a client costs."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - as above

    return create_loader(os.environ.get("AWS_DATA_PATH"))


def hush() -> None:
    """Keep the SDK from saying at each opening where it found credentials; unless it was asked."""
    for name in ("aiobotocore.credentials", "botocore.credentials"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def _first(session: Session, provider: object) -> None:
    """Ask this provider for credentials before all others."""
    resolver = session.get_component("credential_provider")
    resolver.providers.insert(0, provider)


def _region(session: Session, options: Options) -> str:
    """Find the region; raise where there is none, or no such profile, before a call fails."""
    from botocore.exceptions import ProfileNotFound  # noqa: PLC0415 - as above

    try:
        session.get_scoped_config()
        found = options.region or os.environ.get("AWS_REGION")
        region: str | None = found or session.get_config_variable("region")
    except ProfileNotFound as error:
        message = f"{error}; add it to ~/.aws/config, or leave profile= out of the sqs:// URL"
        raise ConfigurationError(message) from error
    if not region:
        message = (
            "no AWS region is set for sqs://; write sqs://?region=eu-central-1, set AWS_REGION, "
            "or name one in the profile"
        )
        raise ConfigurationError(message)
    return region


def _missing(error: ImportError) -> NoReturn:
    message = "sqs:// needs the AWS SDK, which is not installed; run: pip install 'longshore[sqs]'"
    raise ConfigurationError(message) from error

"""Sessions of the SDK: the AWS configuration's own, a profile's, or those of an assumed role."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from longshore_adapters.dynamodb.errors import missing_sdk

if TYPE_CHECKING:
    from longshore_adapters.dynamodb.options import Options

_SESSION_NAME: Final = "longshore"


async def new_session(options: Options) -> Any:  # noqa: ANN401 - the SDK's own class
    """Make a session; `ConfigurationError` where the SDK is not installed."""
    try:
        from aiobotocore.session import AioSession  # noqa: PLC0415 - SDKs load when opening
    except ImportError as error:
        raise missing_sdk(error) from error
    _hush()
    session = AioSession(profile=options.profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    if options.role_arn is not None:
        source = AioSession(profile=options.profile)
        provider = await _assuming(source, options.role_arn)
        session.get_component("credential_provider").insert_before("env", provider)
    return session


def _hush() -> None:
    """Keep the SDK from saying at each opening where it found credentials; unless it was asked."""
    logger = logging.getLogger("aiobotocore.credentials")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


@cache  # reading the descriptions of the services is most of the work of making a client
def _loader(path: str | None) -> Any:  # noqa: ANN401 - the SDK's own class
    from botocore.loaders import create_loader  # noqa: PLC0415 - SDKs load when opening

    return create_loader(path)


async def _assuming(source: Any, role_arn: str) -> object:  # noqa: ANN401 - the SDK's own
    """Give credentials of the role, taken and renewed with those of `source`."""
    from aiobotocore.credentials import (  # noqa: PLC0415 - SDKs load when opening
        AioAssumeRoleCredentialFetcher,
        AioDeferredRefreshableCredentials,
    )

    fetcher = AioAssumeRoleCredentialFetcher(
        client_creator=source.create_client,
        source_credentials=await source.get_credentials(),
        role_arn=role_arn,
        extra_args={"RoleSessionName": _SESSION_NAME},
    )

    class Assumed:
        METHOD = "assume-role"
        CANONICAL_NAME = "longshore-role"

        async def load(self) -> object:
            return AioDeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    return Assumed()

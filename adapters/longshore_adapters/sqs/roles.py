"""Credentials of an assumed role, renewed before they expire. Imports the SDK."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore_adapters.sqs.options import Options


class Role(CredentialProvider):
    """Assumes the role with whatever credentials the caller has besides."""

    METHOD = "longshore-role"
    CANONICAL_NAME = None

    def __init__(self, options: Options) -> None:
        """Prepare; STS is asked when credentials are needed."""
        super().__init__()
        self._options = options

    def load(self) -> DeferredRefreshableCredentials:
        """Give credentials that fetch themselves."""
        return DeferredRefreshableCredentials(self._fetch, self.METHOD)

    def _fetch(self) -> Mapping[str, Any]:
        session: Any = Session(profile=self._options.profile)
        source = session.get_credentials()
        fetcher: Any = AssumeRoleCredentialFetcher(*_told(session, source, self._options))
        found: Mapping[str, Any] = fetcher.fetch_credentials()
        return found


class AioRole:
    """The same, for an event loop."""

    METHOD = Role.METHOD
    CANONICAL_NAME = Role.CANONICAL_NAME

    def __init__(self, options: Options) -> None:
        """Prepare; STS is asked when credentials are needed."""
        self._options = options

    async def load(self) -> AioDeferredRefreshableCredentials:
        """Give credentials that fetch themselves."""
        return AioDeferredRefreshableCredentials(self._fetch, self.METHOD)

    async def _fetch(self) -> Mapping[str, Any]:
        session: Any = AioSession(profile=self._options.profile)
        source = await session.get_credentials()
        fetcher: Any = AioAssumeRoleCredentialFetcher(*_told(session, source, self._options))
        found: Mapping[str, Any] = await fetcher.fetch_credentials()
        return found


def _told(session: Any, source: Any, options: Options) -> tuple[Any, ...]:  # noqa: ANN401 - the SDK's
    """Say how STS is reached, as whom, and what it is told besides the role."""
    extra = {"RoleSessionName": options.role_session_name}
    if options.external_id:
        extra["ExternalId"] = options.external_id
    create = partial(
        session.create_client, region_name=options.region or os.environ.get("AWS_REGION")
    )
    return create, source, options.role_arn, extra

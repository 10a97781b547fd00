"""libcloud's signatures with credentials that are asked for at each request, in a header or in an address."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

import attrs
from libcloud.common.aws import AWSRequestSignerAlgorithmV4, SignedAWSConnection, UnsignedPayloadSentinel

from vmpattern_aws.credentials import Source


@attrs.frozen
class _Region:
    """What libcloud's signer asks of a driver."""

    region_name: str
    name: str = "vmpattern"


@attrs.frozen
class _Place:
    """What libcloud's signer asks of a connection."""

    service_name: str
    driver: _Region


class Signer(AWSRequestSignerAlgorithmV4):
    """The fourth signature, of one service in one region."""

    def __init__(self, service: str, region: str, credentials: Source) -> None:
        super().__init__("", "", None, _Place(service, _Region(region)))  # type: ignore[no-untyped-call]
        self._credentials = credentials

    def get_request_headers(
        self,
        params: dict[str, str],
        headers: dict[str, str],
        method: str = "GET",
        path: str = "/",
        data: bytes | None = None,
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Add the signature of the present credentials, and their token."""
        found = self._take()
        token = {"x-amz-security-token": found} if found else {}
        signed: tuple[dict[str, str], dict[str, str]] = super().get_request_headers(  # type: ignore[no-untyped-call]
            params, {**headers, **token}, method, path, data
        )
        return signed

    def presigned(self, host: str, path: str, lifetime_s: float, *, at: datetime) -> str:
        """Return the query of an address by which anybody gets what is at a path, for so long."""
        token = self._take()
        scope = self._get_credential_scope(at)  # type: ignore[no-untyped-call]
        params = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": at.strftime("%Y%m%dT%H%M%SZ"),
            "X-Amz-Expires": str(int(lifetime_s)),
            "X-Amz-SignedHeaders": "host",
            **({"X-Amz-Security-Token": token} if token else {}),
        }
        signature = self._get_signature(  # type: ignore[no-untyped-call]
            params, {"Host": host}, at, "GET", path, UnsignedPayloadSentinel
        )
        return urlencode({**params, "X-Amz-Signature": signature})

    def _take(self) -> str | None:
        found = self._credentials()
        self.access_key, self.access_secret = found.key, found.secret
        return found.token


class Signed(SignedAWSConnection):
    """A connection of libcloud's whose requests are signed so; nothing secret gets into an address."""

    def __init__(self, *, secure: bool, host: str, port: int, service: str, region: str, credentials: Source) -> None:
        SignedAWSConnection.__init__(self, "", "", secure=secure, host=host, port=port, signature_version="4")
        self.own = Signer(service, region, credentials)

    def add_default_params(self, params: dict[str, str]) -> dict[str, str]:
        """Add nothing: libcloud would put a token into the address."""
        return params

    def add_default_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Add nothing: tokens come with the signature."""
        return headers

    def pre_connect_hook(
        self, params: dict[str, str], headers: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Sign."""
        return self.own.get_request_headers(params, dict(headers), self.method, str(self.action), self.data)

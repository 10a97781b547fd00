"""Whoever gives Google's tokens: a service account's key whose signature is checked, and a token in exchange."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from gce.emulator import TOKEN

ACCOUNT = "fleet@acme-fleets.iam.gserviceaccount.com"


class TokenService:
    """Exchanges what the key of one service account signed for a token; `given` counts them.

    `lifetime_s` is how long a token is said to be valid; `refuses` lets every exchange fail.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], *, lifetime_s: int = 3600) -> None:
        self._app = app
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.lifetime_s = lifetime_s
        self.given = 0
        self.refuses = False

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/token":
            return self._app(environ, start)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        assertion = parse_qs(body)["assertion"][0]
        claims = jwt.decode(assertion, certs=self._public(), verify=True, audience=None)
        well = claims["iss"] == ACCOUNT and claims["exp"] > time.time() and not self.refuses
        self.given += well
        answer = {"access_token": TOKEN, "expires_in": self.lifetime_s, "token_type": "Bearer"}
        data = json.dumps(answer if well else {"error": "invalid_grant", "error_description": "account not found"})
        content = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        start("200 OK" if well else "400 Bad Request", content)
        return [data.encode()]

    def write_key(self, path: Path, url: str, *, project: str = "acme-fleets") -> Path:
        """Write the key file of the service account, whose tokens come from this service at a URL."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        key = {"type": "service_account", "project_id": project, "private_key_id": "1", "client_email": ACCOUNT}
        path.write_text(json.dumps({**key, "private_key": private, "client_id": "1", "token_uri": f"{url}/token"}))
        return path

    def _public(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

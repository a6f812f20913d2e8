"""Whose token is this? Projected service-account tokens, verified offline against the cluster's published keys.

A token is bound to its pod: the pod's Job says which attempt it may work for. No request to the API server is needed
but for the keys, and those only when a token is signed by one that is not known yet.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from kubernetes.aio import client
from pydantic import Field, ValidationError

from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.base import Model
from whisperjob.model.errors import WhisperJobError
from whisperjob_kubernetes.connection import asking, read_object

log = logging.getLogger(__name__)

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
"""What API servers sign with. All asymmetric: with an HMAC among them a public key would do to forge a token."""
_LEEWAY_SECONDS: Final = 10
_REFETCH_SECONDS: Final = 10.0
"""Forged key ids must not turn into a flood of requests."""
_LONGEST_TOKEN: Final = 16_384


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The issuer of a cluster's tokens, and its public keys by id."""

    issuer: str
    by_id: dict[str, jwt.PyJWK]


class _Bound(Model):
    name: str
    uid: str


class _Claims(Model):
    """`kubernetes.io` in a token: what it is bound to."""

    namespace: str
    pod: _Bound
    serviceaccount: _Bound


class _Token(Model):
    bound: _Claims = Field(alias="kubernetes.io")


class TokenRefusedError(WhisperJobError):
    """The token is none of a worker of ours; the message says why, for the log alone."""


def pod_of(token: str, key: jwt.PyJWK, *, issuer: str, audience: str, namespace: str, account: str) -> tuple[str, str]:
    """(name, uid) of the pod a token was issued to. Pure but for the clock. Raises TokenRefusedError."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=audience,
            issuer=issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        bound = _Token.model_validate(claims).bound
    except (jwt.InvalidTokenError, ValidationError) as error:
        raise TokenRefusedError(f"{type(error).__name__}: {error}") from error
    if (bound.namespace, bound.serviceaccount.name) != (namespace, account):
        raise TokenRefusedError(f"it belongs to {bound.namespace}/{bound.serviceaccount.name}")
    return bound.pod.name, bound.pod.uid


class PodTokens:
    """TokenVerifier. One event loop."""

    def __init__(
        self,
        keys: Callable[[], Awaitable[SigningKeys]],
        identity: Callable[[str, str], Awaitable[WorkerIdentity | None]],
        *,
        audience: str,
        namespace: str,
        account: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keys` fetches the cluster's keys; `identity` knows whose worker a pod (name, uid) is."""
        self._fetch = keys
        self._identity = identity
        self._audience = audience
        self._namespace = namespace
        self._account = account
        self._monotonic = monotonic
        self._keys: SigningKeys | None = None
        self._fetched = float("-inf")

    async def verify(self, token: str) -> WorkerIdentity | None:
        """Raises ClusterUnavailableError where the keys or the pod had to be asked for and could not."""
        try:
            issuer, key = await self._key_of(token)
            pod = pod_of(
                token,
                key,
                issuer=issuer,
                audience=self._audience,
                namespace=self._namespace,
                account=self._account,
            )
        except TokenRefusedError as error:
            log.warning("a worker's token was refused: %s", error)
            return None
        return await self._identity(*pod)

    async def _key_of(self, token: str) -> tuple[str, jwt.PyJWK]:
        if len(token) > _LONGEST_TOKEN:
            raise TokenRefusedError("it is too long")
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid"))
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(str(error)) from error
        keys = self._keys
        stale = self._monotonic() - self._fetched >= _REFETCH_SECONDS
        if keys is None or (key_id not in keys.by_id and stale):
            keys = self._keys = await self._fetch()
            self._fetched = self._monotonic()
        key = keys.by_id.get(key_id)
        if key is None:
            raise TokenRefusedError("it is signed by a key the cluster does not know")
        return keys.issuer, key


async def fetch_keys(api: client.ApiClient) -> SigningKeys:
    """What the API server publishes; every service account may read it. Raises ClusterUnavailableError."""
    known, openid = client.WellKnownApi(api), client.OpenidApi(api)
    with asking():
        about = await known.get_service_account_issuer_open_id_configuration_without_preload_content()
        published = await openid.get_service_account_issuer_open_id_keyset_without_preload_content()
        return keys_from(await read_object(about), await read_object(published))


def keys_from(about: dict[str, Any], published: dict[str, Any]) -> SigningKeys:
    """From an OpenID configuration and a JSON Web Key Set."""
    keys = jwt.PyJWKSet.from_dict(published).keys
    return SigningKeys(issuer=str(about["issuer"]), by_id={key.key_id: key for key in keys if key.key_id})

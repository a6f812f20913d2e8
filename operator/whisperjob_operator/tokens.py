"""Verifies projected service-account tokens of workers offline, with the public keys of the cluster.

A token is bound to its pod, and the pod's Job says which attempt the worker makes. Only the keys are requested
from the API server, and only when a token is signed by a key that is not known yet.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt
from kubernetes.aio import client
from pydantic import Field, ValidationError

from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.base import Model
from whisperjob.model.clock import build_steady_clock
from whisperjob.model.errors import WhisperJobError
from whisperjob_kubernetes.connection import read_object, translate_errors

log = logging.getLogger(__name__)

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
"""The algorithms of API servers, all asymmetric: if HMAC were allowed, a public key would suffice to forge a token."""
_LEEWAY_SECONDS: Final = 10
_REFETCH_SECONDS: Final = 10.0
"""Forged key ids must not cause a flood of requests."""
_MAX_TOKEN_LENGTH: Final = 16_384


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The issuer of a cluster's tokens, and its public keys by id."""

    issuer: str
    by_id: dict[str, jwt.PyJWK]


class _BoundObject(Model):
    """An object that a token is bound to."""

    name: str
    uid: str


class _BoundObjects(Model):
    """The claim `kubernetes.io` of a token: the objects it is bound to."""

    namespace: str
    pod: _BoundObject
    serviceaccount: _BoundObject


class _Claims(Model):
    """The claims of a token that jwt.decode does not check."""

    bound: _BoundObjects = Field(alias="kubernetes.io")
    exp: float
    iat: float
    nbf: float = 0.0


class TokenRefusedError(WhisperJobError):
    """The token does not belong to a worker of this operator; the message says why, for the log alone."""


def verify_pod_token(
    token: str, key: jwt.PyJWK, now: float, *, issuer: str, audience: str, namespace: str, account: str
) -> tuple[str, str]:
    """Returns (name, uid) of the pod that a token was issued to. Pure. Raises TokenRefusedError.

    `now` is in seconds since the epoch, by a clock that no jump changes: a token that was good stays so while it lasts.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=_ALGORITHMS,
            audience=audience,
            issuer=issuer,
            options={  # the times are checked below, by another clock
                "require": ["exp", "iat", "iss", "aud"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        checked = _Claims.model_validate(claims)
    except (jwt.InvalidTokenError, ValidationError) as error:
        raise TokenRefusedError(f"{type(error).__name__}: {error}") from error
    if checked.exp <= now - _LEEWAY_SECONDS:
        raise TokenRefusedError("it has expired")
    if max(checked.iat, checked.nbf) > now + _LEEWAY_SECONDS:
        raise TokenRefusedError("it is not valid yet")
    bound = checked.bound
    if (bound.namespace, bound.serviceaccount.name) != (namespace, account):
        raise TokenRefusedError(f"it belongs to {bound.namespace}/{bound.serviceaccount.name}")
    return bound.pod.name, bound.pod.uid


class PodTokenVerifier:
    """A TokenVerifier for the tokens of pods. One event loop."""

    def __init__(
        self,
        keys: Callable[[], Awaitable[SigningKeys]],
        identity: Callable[[str, str], Awaitable[WorkerIdentity | None]],
        *,
        audience: str,
        namespace: str,
        account: str,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`keys` fetches the cluster's keys; `identity` finds the attempt that a pod (name, uid) makes."""
        self._fetch_keys = keys
        self._identity = identity
        self._audience = audience
        self._namespace = namespace
        self._account = account
        self._monotonic = monotonic
        self._clock = clock or build_steady_clock()
        self._keys: SigningKeys | None = None
        self._fetched_at = float("-inf")

    async def verify(self, token: str) -> WorkerIdentity | None:
        """Returns the attempt that the token's pod makes, None if the token is refused.

        Raises ClusterUnavailableError where the keys or the pod had to be read and could not be.
        """
        try:
            issuer, key = await self._find_key(token)
            pod = verify_pod_token(
                token,
                key,
                self._clock().timestamp(),
                issuer=issuer,
                audience=self._audience,
                namespace=self._namespace,
                account=self._account,
            )
        except TokenRefusedError as error:
            log.warning("a worker's token was refused: %s", error)
            return None
        return await self._identity(*pod)

    async def _find_key(self, token: str) -> tuple[str, jwt.PyJWK]:
        """Returns the issuer and the key that the token names. Raises TokenRefusedError, ClusterUnavailableError."""
        if len(token) > _MAX_TOKEN_LENGTH:
            raise TokenRefusedError("it is too long")
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid"))
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(str(error)) from error
        keys = self._keys
        stale = self._monotonic() - self._fetched_at >= _REFETCH_SECONDS
        if keys is None or (key_id not in keys.by_id and stale):
            keys = self._keys = await self._fetch_keys()
            self._fetched_at = self._monotonic()
        key = keys.by_id.get(key_id)
        if key is None:
            raise TokenRefusedError("it is signed by a key the cluster does not know")
        return keys.issuer, key


async def fetch_keys(api: client.ApiClient) -> SigningKeys:
    """Reads the keys that the API server publishes, as every service account may. Raises ClusterUnavailableError."""
    known, openid = client.WellKnownApi(api), client.OpenidApi(api)
    with translate_errors():
        configuration = await known.get_service_account_issuer_open_id_configuration_without_preload_content()
        key_set = await openid.get_service_account_issuer_open_id_keyset_without_preload_content()
        return to_signing_keys(await read_object(configuration), await read_object(key_set))


def to_signing_keys(configuration: dict[str, Any], key_set: dict[str, Any]) -> SigningKeys:
    """Converts an OpenID configuration and a JSON Web Key Set."""
    keys = jwt.PyJWKSet.from_dict(key_set).keys
    return SigningKeys(issuer=str(configuration["issuer"]), by_id={key.key_id: key for key in keys if key.key_id})

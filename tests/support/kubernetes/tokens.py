"""Tokens as an API server issues them, signed by keys of the test's own."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://kubernetes.default.svc"
AUDIENCE = "whisperjob-operator"
NAMESPACE = "media"
ACCOUNT = "whisperjob-worker"
POD = ("pod-1", "33333333-4444-4555-8666-777777777777")

BOUND: dict[str, Any] = {
    "namespace": NAMESPACE,
    "pod": {"name": POD[0], "uid": POD[1]},
    "serviceaccount": {"name": ACCOUNT, "uid": "u"},
}


class Signer:
    """A private key, and what a cluster publishes about it."""

    def __init__(self, key_id: str = "k1") -> None:
        self.key_id = key_id
        self.key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    def published(self) -> dict[str, Any]:
        entry = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**entry, "kid": self.key_id, "alg": "RS256", "use": "sig"}]}

    def token(
        self, *, algorithm: str = "RS256", key: Any = None, bound: dict[str, Any] | None = BOUND, **changes: Any
    ) -> str:
        """Builds a token, valid unless a claim is changed; None removes a claim. `bound` is what it is bound to."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "sub": f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}",
            "kubernetes.io": bound,
            **changes,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, self.key if key is None else key, algorithm, headers={"kid": self.key_id})

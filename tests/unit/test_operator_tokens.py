"""Which tokens are believed."""

import time
from datetime import timedelta
from typing import Any

import pytest

from support.clocks import Clocks
from support.kubernetes.tokens import ACCOUNT, AUDIENCE, BOUND, ISSUER, NAMESPACE, POD, Signer
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.clock import build_steady_clock, utc_now
from whisperjob.model.phase import Stage
from whisperjob_operator.tokens import PodTokenVerifier, SigningKeys, to_signing_keys

SIGNER = Signer()
IDENTITY = WorkerIdentity("talk", "uid", Stage.OPTIMIZE, 1)


class Published:
    """The cluster's keys; counts how often they are fetched."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.fetched = 0

    async def __call__(self) -> SigningKeys:
        self.fetched += 1
        return to_signing_keys(
            {"issuer": ISSUER}, {"keys": [key for s in self.signers for key in s.published()["keys"]]}
        )


async def whose(name: str, uid: str) -> WorkerIdentity | None:
    return IDENTITY if (name, uid) == POD else None


def verifier(keys: Published, now: list[float] | None = None) -> PodTokenVerifier:
    clock = now or [0.0]
    return PodTokenVerifier(
        keys, whose, audience=AUDIENCE, namespace=NAMESPACE, account=ACCOUNT, monotonic=lambda: clock[0]
    )


async def test_a_workers_token_leads_to_its_attempt() -> None:
    assert await verifier(Published(SIGNER)).verify(SIGNER.token()) == IDENTITY


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(SIGNER.token(exp=int(time.time()) - 60), id="expired"),
        pytest.param(SIGNER.token(exp=None), id="without expiry"),
        pytest.param(SIGNER.token(nbf=int(time.time()) + 600), id="not valid yet"),
        pytest.param(SIGNER.token(aud=["https://kubernetes.default.svc"]), id="for the API server"),
        pytest.param(SIGNER.token(iss="https://elsewhere"), id="of another cluster"),
        pytest.param(SIGNER.token(bound=None), id="bound to nothing"),
        pytest.param(SIGNER.token(bound={**BOUND, "pod": None}), id="bound to no pod"),
        pytest.param(SIGNER.token(bound={**BOUND, "namespace": "other"}), id="of another namespace"),
        pytest.param(
            SIGNER.token(bound={**BOUND, "serviceaccount": {"name": "default", "uid": "u"}}),
            id="of another account",
        ),
        pytest.param(SIGNER.token(bound={**BOUND, "pod": {"name": POD[0], "uid": "new"}}), id="of a dead pod"),
        pytest.param(Signer("k1").token(), id="signed by a stranger"),
        pytest.param(Signer("k2").token(), id="signed by an unknown key"),
        pytest.param(SIGNER.token(algorithm="none", key=""), id="unsigned"),
        pytest.param(SIGNER.token(algorithm="HS256", key="public" * 10), id="signed symmetrically"),
        pytest.param("not.a.token", id="no token"),
        pytest.param("x" * 20_000, id="too long"),
    ],
)
async def test_no_other_token_is_believed(token: str) -> None:
    assert await verifier(Published(SIGNER)).verify(token) is None


@pytest.mark.parametrize("jump", [timedelta(hours=26), timedelta(hours=-26)], ids=str)
async def test_a_jump_of_the_clock_refuses_no_worker(jump: timedelta) -> None:
    clocks = Clocks(wall=utc_now())
    tokens = PodTokenVerifier(
        Published(SIGNER),
        whose,
        audience=AUDIENCE,
        namespace=NAMESPACE,
        account=ACCOUNT,
        clock=build_steady_clock(lambda: clocks.wall, lambda: clocks.monotonic),
    )
    token = SIGNER.token()
    clocks.jump(jump)
    assert await tokens.verify(token) == IDENTITY
    clocks.pass_time(timedelta(hours=26))
    assert await tokens.verify(token) is None


async def test_keys_are_fetched_once() -> None:
    keys = Published(SIGNER)
    tokens = verifier(keys)
    for _ in range(3):
        await tokens.verify(SIGNER.token())
    assert keys.fetched == 1


async def test_a_new_key_is_found_and_strangers_do_not_flood() -> None:
    keys, now, rotated = Published(SIGNER), [0.0], Signer("k2")
    tokens = verifier(keys, now)
    assert await tokens.verify(SIGNER.token()) == IDENTITY
    keys.signers.append(rotated)
    for _ in range(5):
        assert await tokens.verify(rotated.token()) is None
    now[0] = 11.0
    assert await tokens.verify(rotated.token()) == IDENTITY
    for _ in range(5):
        assert await tokens.verify(Signer("k3").token()) is None
    assert keys.fetched == 2


def test_parameters_are_what_they_should_be() -> None:
    claims: dict[str, Any] = {"issuer": ISSUER}
    assert set(to_signing_keys(claims, SIGNER.published()).by_id) == {"k1"}

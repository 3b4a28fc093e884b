import base64
import hashlib
import hmac
import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from decision_service.server.identity import (
    Caller,
    KeysRefusedError,
    NotAuthenticatedError,
    Verifier,
    issue,
    new_private_key,
    public_jwks,
)

NOW = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
PRIVATE = new_private_key()
OURS = {"audience": "miaopi", "issuer": "city"}
SKEW = timedelta(seconds=30)


def verifier(jwks: str = public_jwks(PRIVATE)) -> Verifier:
    return Verifier(jwks, clock_skew=SKEW, **OURS)


def token(**changes: Any) -> str:
    """A token of ours with some claims changed, or left out by None."""
    claims = {
        "iss": "city",
        "aud": "miaopi",
        "sub": "portal-luohu",
        "role": "portal",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3600,
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    key = OKPKey.import_key(json.loads(PRIVATE))
    return jwt.encode({"alg": "Ed25519", "kid": key.kid}, kept, key, algorithms=["Ed25519"])


def at(**offset: float) -> int:
    return int((NOW + timedelta(**offset)).timestamp())


def b64(part: bytes | dict[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned() -> str:
    return ".".join([b64({"alg": "none"}), token().split(".")[1], ""])


def confused() -> str:
    """HS256 keyed with our public key, which everybody has (RFC 8725 section 2.1)."""
    key = OKPKey.import_key(json.loads(PRIVATE))
    head = ".".join([b64({"alg": "HS256", "kid": key.kid}), token().split(".")[1]])
    public = key.as_pem(private=False)
    return f"{head}.{b64(hmac.digest(public, head.encode(), hashlib.sha256))}"


def forged() -> str:
    head, claims, signature = token().split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"role": "operator"}
    return ".".join([head, b64(other), signature])


def of_somebody_else() -> str:
    return issue(new_private_key(), subject="x", role="portal", lifetime=SKEW, now=NOW, **OURS)


def test_a_token_of_ours_names_its_caller() -> None:
    made = issue(
        PRIVATE, subject="clerk-7", role="clerk", lifetime=timedelta(hours=1), now=NOW, **OURS
    )

    assert verifier().verify(made, now=NOW) == Caller(subject="clerk-7", role="clerk")


@pytest.mark.parametrize("named", [[], ["library_card", "old_age_allowance"], ["*"]])
def test_a_clerk_has_the_matters_that_the_token_names_and_whoever_else_calls_every(
    named: list[str],
) -> None:
    assert verifier().verify(token(role="clerk", matters=named), now=NOW).matters == {*named}
    assert verifier().verify(token(), now=NOW).matters == {"*"}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(token(exp=at(seconds=-30)), "TOKEN_EXPIRED", id="expired"),
        pytest.param(token(nbf=at(seconds=31)), "TOKEN_NOT_YET_VALID", id="not yet valid"),
        pytest.param(token(iat=at(seconds=31)), "TOKEN_NOT_YET_VALID", id="issued in the future"),
        pytest.param(token(aud="another"), "TOKEN_INVALID", id="for another service"),
        pytest.param(token(iss="another"), "TOKEN_INVALID", id="of another issuer"),
        pytest.param(token(role="root"), "TOKEN_INVALID", id="in no role of the contract"),
        pytest.param(token(role=["portal"]), "TOKEN_INVALID", id="in several roles"),
        pytest.param(token(role="unspecified"), "TOKEN_INVALID", id="in the zero role"),
        pytest.param(token(sub="张三"), "TOKEN_INVALID", id="a person's name as subject"),
        pytest.param(token(sub="x" * 65), "TOKEN_INVALID", id="a subject too long for the log"),
        pytest.param(token(exp="tomorrow"), "TOKEN_INVALID", id="expiring at no number"),
        pytest.param(token(exp=10**30), "TOKEN_INVALID", id="expiring after time itself"),
        *(
            pytest.param(token(**{claim: None}), "TOKEN_INVALID", id=f"without {claim}")
            for claim in ("iss", "aud", "exp", "sub", "role")
        ),
        *(
            pytest.param(token(role="clerk", matters=named), "TOKEN_INVALID", id=f"of {named}")
            for named in ("*", ["a b"], [7], {"*": True}, ["x" * 65])
        ),
        pytest.param(token(matters=["*"]), "TOKEN_INVALID", id="a limit that is no clerk's"),
        pytest.param(unsigned(), "TOKEN_INVALID", id="unsigned"),
        pytest.param(confused(), "TOKEN_INVALID", id="signed with the public key as a secret"),
        pytest.param(forged(), "TOKEN_INVALID", id="with a role written over"),
        pytest.param(of_somebody_else(), "TOKEN_INVALID", id="signed by somebody else"),
        pytest.param("", "TOKEN_INVALID", id="empty"),
        pytest.param("a.b.c", "TOKEN_INVALID", id="nonsense"),
    ],
)
def test_a_token_that_is_not_ours_or_not_now_names_nobody(made: str, reason: str) -> None:
    with pytest.raises(NotAuthenticatedError) as caught:
        verifier().verify(made, now=NOW)

    assert caught.value.reason == reason
    assert caught.value.zh
    assert caught.value.hint.endswith(".")


def test_clocks_may_differ_by_the_skew_and_not_by_a_second_more() -> None:
    assert verifier().verify(token(exp=at(seconds=-29), iat=at(seconds=30)), now=NOW)


def test_a_token_that_was_verified_is_known_until_it_expires_and_not_longer() -> None:
    known = verifier()
    made = token(exp=at(seconds=60))
    known.verify(made, now=NOW)

    assert known.verify(made, now=NOW + timedelta(seconds=89)).subject == "portal-luohu"
    for _ in range(2):
        with pytest.raises(NotAuthenticatedError) as caught:
            known.verify(made, now=NOW + timedelta(seconds=90))
        assert caught.value.reason == "TOKEN_EXPIRED"


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("decision_service.server.identity._REMEMBERED", 3)
    known = verifier()
    for number in range(10):
        known.verify(token(sub=f"clerk-{number}"), now=NOW)

    assert len(known._verified) == 3


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        pytest.param(RSAKey.generate_key(2048, auto_kid=True), "RS256", id="RS256"),
        pytest.param(ECKey.generate_key("P-256", auto_kid=True), "ES256", id="ES256"),
        pytest.param(
            OKPKey.generate_key("Ed25519", auto_kid=True),
            "EdDSA",
            id="EdDSA",
            marks=pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),
        ),
    ],
)
def test_issuers_sign_with_the_algorithm_they_have(
    key: RSAKey | ECKey | OKPKey, algorithm: str
) -> None:
    claims = json.loads(base64.urlsafe_b64decode(token().split(".")[1] + "=="))
    made = jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])
    jwks = json.dumps(KeySet([key]).as_dict(private=False))

    assert verifier(jwks).verify(made, now=NOW).role == "portal"


def key_set(*private: str, **changes: Any) -> str:
    """The public half of these keys, with some members of each changed, or left out by None."""
    keys = [json.loads(public_jwks(one))["keys"][0] | changes for one in private]
    kept = [{name: part for name, part in one.items() if part is not None} for one in keys]
    return json.dumps({"keys": kept})


OTHER = new_private_key()
SECRET = "the key set has a secret key, and whoever knows it could forge tokens"
NO_SET = "the key set is not a JSON Web Key Set (RFC 7517)"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SHORT = RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False)
BROKEN = [
    pytest.param(
        json.dumps(KeySet([OctKey.generate_key(256)]).as_dict(private=True)), SECRET, id="symmetric"
    ),
    pytest.param('{"keys": [' + PRIVATE + "]}", SECRET, id="private"),
    pytest.param("", NO_SET, id="an empty file"),
    pytest.param(public_jwks(PRIVATE)[:-9], NO_SET, id="half a file"),
    pytest.param("[]", NO_SET, id="another document"),
    pytest.param('{"keys": {}, "x": 1', NO_SET, id="not JSON"),
    pytest.param('{"keys": [1]}', NO_SET, id="a key that is a number"),
    pytest.param(key_set(PRIVATE, x="AAAA"), NO_SET, id="a key cut short"),
    pytest.param(key_set(PRIVATE, x=None), NO_SET, id="a key without its point"),
    pytest.param('{"keys": [{"kty": "ML-DSA"}]}', NO_SET, id="only keys of tomorrow"),
    pytest.param(
        key_set(PRIVATE, OTHER, kid="1"), "the key set has two keys of one `kid`", id="one name"
    ),
    pytest.param(
        json.dumps({"keys": [SHORT]}),
        "the key set has an RSA key of fewer than 2048 bits",
        id="a key that is too short",
    ),
]


@pytest.mark.parametrize(("jwks", "message"), BROKEN)
def test_a_key_set_that_cannot_tell_who_calls_is_refused(jwks: str, message: str) -> None:
    with pytest.raises(KeysRefusedError) as caught:
        verifier(jwks)

    assert (str(caught.value), caught.value.reason) == (message, "JWKS_INVALID")
    assert caught.value.hint == (
        "Give the public keys of your token issuer as it publishes them: `MIAOPI_JWKS`."
    )


# ── keys that change ─────────────────────────────────────────────────────────────────────────────


def signed_by(private: str) -> str:
    return issue(private, subject="x", role="portal", lifetime=SKEW, now=NOW, **OURS)


def believed(known: Verifier, made: str) -> bool:
    try:
        return known.verify(made, now=NOW).subject == "x"
    except NotAuthenticatedError as error:
        return error.reason != "TOKEN_INVALID"


def test_a_key_counts_from_when_it_enters_the_set_until_it_leaves_it() -> None:
    """Rotation without a gap: old, both, new. What was verified before makes no difference."""
    old, new = signed_by(PRIVATE), signed_by(OTHER)
    known = verifier(key_set(PRIVATE))
    steps = [(believed(known, old), believed(known, new))]
    for jwks in (key_set(PRIVATE, OTHER), key_set(OTHER), '{"keys": []}', key_set(PRIVATE)):
        known.believe(jwks)
        steps.append((believed(known, old), believed(known, new)))

    assert steps == [(True, False), (True, True), (False, True), (False, False), (True, False)]


@pytest.mark.parametrize(("jwks", "message"), BROKEN)
def test_a_broken_set_leaves_the_old_one_and_what_it_verified(jwks: str, message: str) -> None:
    known, made = verifier(key_set(PRIVATE)), signed_by(PRIVATE)
    assert believed(known, made)

    with pytest.raises(KeysRefusedError, match=message.split(" (", maxsplit=1)[0]):
        known.believe(jwks)

    assert believed(known, made)
    assert not believed(known, signed_by(OTHER))


def test_the_kid_of_a_token_chooses_its_key_and_no_other_is_tried() -> None:
    known = verifier(key_set(PRIVATE, OTHER))
    ours = OKPKey.import_key(json.loads(PRIVATE))
    theirs = OKPKey.import_key(json.loads(OTHER))
    claims = json.loads(base64.urlsafe_b64decode(signed_by(PRIVATE).split(".")[1] + "=="))

    def named(**header: str) -> str:
        return jwt.encode({"alg": "Ed25519", **header}, claims, ours, algorithms=["Ed25519"])

    assert believed(known, named(kid=str(ours.kid)))
    assert not believed(known, named(kid=str(theirs.kid)))
    assert not believed(known, named(kid="another"))
    assert not believed(known, named()), "it could be of either key"
    known.believe(key_set(PRIVATE))
    assert believed(known, named()), "there is but one"


def test_keys_of_tomorrow_and_keys_for_encrypting_do_no_harm() -> None:
    keys = json.loads(key_set(PRIVATE))["keys"]
    encrypting = json.loads(key_set(OTHER, crv="X25519", use="enc"))["keys"]
    known = verifier(json.dumps({"keys": [{"kty": "ML-DSA", "kid": "9"}, *keys, *encrypting]}))

    assert believed(known, signed_by(PRIVATE))
    assert not believed(known, signed_by(OTHER))


def test_the_public_key_set_does_not_hold_the_private_key() -> None:
    assert "d" not in json.loads(public_jwks(PRIVATE))["keys"][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=4), part),
    max_leaves=5,
)
HEADERS = JSON | st.fixed_dictionaries(
    {"alg": JSON | st.sampled_from(["Ed25519", "RS256", "none"])},
    optional={"kid": JSON, "crit": JSON, "typ": JSON, "b64": JSON},
)


@given(header=HEADERS, claims=JSON, signature=st.binary(max_size=70), raw=st.text(max_size=40))
def test_whatever_comes_as_a_token_names_nobody_and_breaks_nothing(
    header: Any, claims: Any, signature: bytes, raw: str
) -> None:
    """Only our issuer's signature names a caller; all else is one error, never another."""
    known = verifier()
    encoded = [b64(json.dumps(part).encode()) for part in (header, claims)]
    for made in (".".join([*encoded, b64(signature)]), raw):
        with pytest.raises(NotAuthenticatedError):
            known.verify(made, now=NOW)

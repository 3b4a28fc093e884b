"""A release counts once two persons have signed it: one may write rules, another may approve."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.note import Note, SigningKey, VerifierKey, from_base64
from decision_service.catalogue import Catalogue
from decision_service.errors import InvalidPublicationError
from decision_service.publication import Duty, Seal, Signatories, Signatory
from decision_service.release import Release

KEYS = {name: SigningKey(SigningKey.generate(name)) for name in ("ann", "bo", "both", "other")}
MAY = {"ann": ["write"], "bo": ["approve"], "both": ["write", "approve"]}


def file(may: dict[str, list[str]], **others: str) -> str:
    """A file of signers; a key is that of the name, unless another is given."""
    keys = {name: KEYS[name].verifier_key for name in may} | others
    return "\n".join(
        f'[[signers]]\nkey = "{key}"\ntitle = {{ zh = "某", en = "x" }}\nmay = {may.get(name)}\n'
        for name, key in keys.items()
    )


def signatories(**may: list[str]) -> Signatories:
    return Signatories.read(file(may), where="signers.toml")


@pytest.fixture(scope="module")
def release(published: Catalogue) -> Release:
    return next(one for one in published.releases if one.name == "library_card@2020-01-01")


@pytest.fixture(scope="module")
def another(published: Catalogue) -> Release:
    return next(one for one in published.releases if one.name != "library_card@2020-01-01")


def signed(release: Release, *names: str) -> Seal:
    seal = Seal(release)
    for name in names:
        seal = seal.signed(KEYS[name])
    return seal


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(InvalidPublicationError) as caught:
        act()
    return caught.value.reason


def test_two_persons_publish_a_release_and_are_named(release: Release) -> None:
    seal = signed(release, "ann", "bo")

    found = Seal.read(release, seal.written).publication(signatories(**MAY))

    assert (found.matter, found.release) == ("library_card", release.name)
    assert (found.release_digest, found.seal) == (release.digest, seal.written)
    assert found.keys == (KEYS["ann"].verifier_key, KEYS["bo"].verifier_key)


def enough(names: tuple[str, ...]) -> bool:
    """Whether one of them may write and another one may approve: by trying every two."""
    return any(
        "write" in MAY.get(a, ()) and "approve" in MAY.get(b, ()) for a, b in permutations(names, 2)
    )


@pytest.mark.parametrize(
    "names", [names for count in range(5) for names in permutations(KEYS, count)], ids="+".join
)
def test_one_person_never_publishes_a_release(release: Release, names: tuple[str, ...]) -> None:
    """Whatever that person may do, and whoever else signs that the city does not know."""
    seal = signed(release, *names)

    if enough(names):
        seal.publication(signatories(**MAY))
    else:
        assert refusal(lambda: seal.publication(signatories(**MAY))) == "RELEASE_NOT_APPROVED"


def test_who_signs_twice_is_one_person(release: Release) -> None:
    seal = signed(release, "both", "both")

    assert refusal(lambda: seal.publication(signatories(**MAY))) == "RELEASE_NOT_APPROVED"


def test_a_signature_under_another_release_says_nothing_of_this_one(
    release: Release, another: Release
) -> None:
    line = signed(another, "bo").written.splitlines()[-1]
    seal = Seal.read(release, signed(release, "ann").written + line + "\n")

    assert refusal(lambda: seal.publication(signatories(**MAY))) == "SEAL_INVALID"


def test_a_key_of_the_same_name_is_nobody_s(release: Release) -> None:
    stranger = SigningKey(SigningKey.generate("bo"))
    seal = signed(release, "ann").signed(stranger)

    assert refusal(lambda: seal.publication(signatories(**MAY))) == "RELEASE_NOT_APPROVED"
    seal.signed(KEYS["bo"]).publication(signatories(**MAY))


def test_a_release_that_was_changed_is_not_the_one_that_was_signed(
    release: Release, another: Release
) -> None:
    old = signed(release, "ann", "bo").written.replace(release.digest, another.digest)

    assert refusal(lambda: Seal.read(release, old)) == "RELEASE_CHANGED"


def test_the_seal_of_another_release_is_none_of_this_one(
    release: Release, another: Release
) -> None:
    assert refusal(lambda: Seal.read(release, signed(another, "ann").written)) == "SEAL_INVALID"


@settings(max_examples=200)
@given(data=st.data())
def test_no_character_of_a_seal_can_be_another(release: Release, data: st.DataObject) -> None:
    written = signed(release, "ann", "bo").written
    at = data.draw(st.integers(0, len(written) - 1))
    other = data.draw(st.sampled_from("\n 0aA+—é").filter(lambda one: one != written[at]))
    spoilt = written[:at] + other + written[at + 1 :]

    assert refusal(lambda: Seal.read(release, spoilt).publication(signatories(**MAY)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("signers = []", "signers", id="nobody"),
        pytest.param(
            file({"ann": ["write"]}, ann="ann+0+x"),
            "2:1 `signers.key`: is no public key",
            id="no key",
        ),
        pytest.param(file({"ann": []}), "4:1 `signers.may` has too few", id="who may nothing"),
        pytest.param(
            file({"ann": ["publish"]}),
            "published: 4:1 `signers.may` is one of `write`, `approve`: write one of them",
            id="a duty that is none",
        ),
        pytest.param(file({"ann": ["write"]}) * 2, "twice", id="one name twice"),
    ],
)
def test_a_file_of_signers_that_is_wrong_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InvalidPublicationError) as caught:
        Signatories.read(text, where="signers.toml")

    assert caught.value.reason == "SIGNERS_INVALID"
    assert fault in str(caught.value)


def test_one_key_under_two_names_is_refused() -> None:
    """Who had it would be two persons."""
    _, _, public = KEYS["ann"].verifier_key.split("+", 2)
    key_id = sha256(b"bo\n" + from_base64(public)).hexdigest()[:8]
    text = file({"ann": ["write"], "bo": ["approve"]}, bo=f"bo+{key_id}+{public}")

    with pytest.raises(InvalidPublicationError, match="twice"):
        Signatories.read(text, where="signers.toml")


def test_two_keys_that_are_alike_at_their_end_alone_are_two() -> None:
    """A plus is a character of base64, too."""
    ends = ("ann", "bo")
    keys = {name: next(key for key in _keys(name) if key.endswith("+")) for name in ends}

    found = Signatories.read(file({name: ["write"] for name in ends}, **keys), where="signers.toml")

    assert [found.get(name) is not None for name in ends] == [True, True]


def _keys(name: str) -> Iterator[str]:
    while True:
        yield SigningKey(SigningKey.generate(name)).verifier_key


def test_a_seal_is_a_signed_note_that_other_tools_read(release: Release) -> None:
    """C2SP signed-note: text, empty line, and lines of an em dash, a name and base64."""
    note = Note.read(signed(release, "ann", "bo").written)

    assert note.text.splitlines() == ["miaopi release", release.name, release.digest]
    assert [one.name for one in note.signatures] == ["ann", "bo"]
    for name in ("ann", "bo"):
        assert VerifierKey(KEYS[name].verifier_key).has_signed(note.text, note.signatures)


def test_a_signatory_has_the_name_of_the_key() -> None:
    found = signatories(**MAY).get("both")

    assert isinstance(found, Signatory)
    assert (found.name, set(found.may)) == ("both", set(Duty))
    assert signatories(**MAY).get("other") is None

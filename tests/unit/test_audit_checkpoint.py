"""Signed checkpoints, proofs and the marks of requests in flight."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit.errors import StoreRefusedError, TamperedError
from audit.log.checkpoint import Checkpoint, Signer, Verifier
from audit.log.inflight import Inflight
from audit.log.merkle import leaf_hash
from audit.log.proof import Proof

ORIGIN = "log.test.invalid/2026"
HEAD = Checkpoint(ORIGIN, 7, leaf_hash(b"root"))


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(Signer.generate(ORIGIN))


def test_a_signed_checkpoint_opens_with_the_public_key_and_always_reads_the_same(
    signer: Signer,
) -> None:
    note = signer.sign(HEAD)

    assert Verifier(signer.verifier_key).open(note) == HEAD
    assert signer.sign(HEAD) == note


def test_a_public_key_that_others_made_is_understood() -> None:
    """The example key of the signed-note format: its id is the hash that the format says."""
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

    assert Verifier(key).origin == "PeterNeumann"


def test_no_character_of_a_signed_checkpoint_can_be_changed(signer: Signer) -> None:
    note, verifier = signer.sign(HEAD), Verifier(signer.verifier_key)

    for at in range(len(note)):
        for other in {"A", "\n", "9", " "} - {note[at]}:
            with pytest.raises(TamperedError):
                verifier.open(note[:at] + other + note[at + 1 :])


def test_another_log_of_the_same_name_cannot_sign_for_this_one(signer: Signer) -> None:
    forged = Signer(Signer.generate(ORIGIN)).sign(HEAD)

    with pytest.raises(TamperedError) as caught:
        Verifier(signer.verifier_key).open(forged)

    assert str(caught.value) == f"the checkpoint is not signed by the key of `{ORIGIN}`"
    assert caught.value.reason == "CHECKPOINT_UNSIGNED"


def test_the_cosignature_of_a_witness_does_not_disturb(signer: Signer) -> None:
    witness = Signer(Signer.generate("witness.test.invalid"))
    cosigned = signer.sign(HEAD) + witness.sign(HEAD).split("\n\n")[1]

    assert Verifier(signer.verifier_key).open(cosigned) == HEAD


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "市", "a\nb", "x" * 256])
def test_a_name_that_cannot_stand_in_a_note_is_refused(origin: str) -> None:
    with pytest.raises(StoreRefusedError) as caught:
        Checkpoint.empty(origin)

    assert caught.value.reason == "ORIGIN_INVALID"


@pytest.mark.parametrize("key", ["", "a+b", "a+00000000+AAAA", "a+c74f20a3+ARpc2QcUPDhM"])
def test_what_is_no_public_key_is_refused(key: str) -> None:
    with pytest.raises(TamperedError) as caught:
        Verifier(key)

    assert caught.value.reason == "KEY_MALFORMED"


def test_a_proof_is_written_as_c2sp_writes_it() -> None:
    text = Proof(5, (bytes(32),), "note\n").text

    assert text == (
        "c2sp.org/tlog-proof@v1\nindex 5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nnote\n"
    )
    assert Proof.parse(text) == Proof(5, (bytes(32),), "note\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 5\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 05\n\nnote\n",
        "c2sp.org/tlog-proof@v1\n5\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 5\nAAAA\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 5\nnote\n",
    ],
)
def test_a_proof_of_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(TamperedError) as caught:
        Proof.parse(text)

    assert caught.value.reason == "PROOF_MALFORMED"


def test_a_request_in_flight_when_the_process_died_is_known_to_the_next(tmp_path: Path) -> None:
    first = Inflight(tmp_path / "inflight")
    first.begin("answered")
    first.begin("died on")
    first.end("answered")

    second = Inflight(tmp_path / "inflight")

    assert not first.interrupted("died on"), "this process has not died"
    assert not second.interrupted("died on"), "nor has the other one"

    die(first)

    assert second.interrupted("died on")
    assert not second.interrupted("answered")
    assert not second.interrupted("never seen")

    second.begin("died on")
    assert second.interrupted("died on"), "beginning it again does not make it whole"
    assert Inflight(tmp_path / "inflight").interrupted("died on"), "in whichever process"
    second.end("died on")
    assert not second.interrupted("died on")
    assert not Inflight(tmp_path / "inflight").interrupted("died on")


def test_of_two_processes_that_begin_a_request_at_once_none_has_died(tmp_path: Path) -> None:
    begin = """
import sys
from pathlib import Path
from audit.log.inflight import Inflight

inflight = Inflight(Path(sys.argv[1]))
print(flush=True)
input()
print([key for key in map(str, range(400)) if inflight.begin(key)])
"""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", begin, tmp_path / "inflight"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        one.stdout.readline()

    for one in both:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()

    assert [one.communicate()[0] for one in both] == ["[]\n", "[]\n"]


def die(inflight: Inflight) -> None:
    """Let go of every lock, as a process that ends does."""
    for mark in inflight._begun.values():
        os.close(mark)
    inflight._begun.clear()


def test_a_mark_does_not_tell_which_request_it_is(tmp_path: Path) -> None:
    Inflight(tmp_path).begin("resident_id:990000199001010007")

    assert all("9900" not in path.name for path in tmp_path.iterdir())

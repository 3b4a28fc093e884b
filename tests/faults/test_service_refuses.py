"""The service starts with files that are whole and as they were published, or says which is not.

``tests/golden/refusals.toml`` has what the operator then reads, word for word.
"""

import asyncio
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit.errors import AuditError
from audit.log.anchor import Anchor
from decision_service.__main__ import app as miaopi
from decision_service.errors import DecisionServiceError
from decision_service.server import new_private_key, public_jwks
from decision_service.service import registers_of, service
from decision_service.settings import read_settings
from evidence_adapters import registry

ROOT = Path(__file__).parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "refusals.toml"
WORDS: Mapping[str, dict[str, Any]] = {
    when: {key: refusal[key] for key in refusal if key != "when"}
    for refusal in tomllib.loads(GOLDEN.read_text("utf-8")).get("refusal", ())
    for when in refusal["when"]
}
"""What an operator reads, by what is wrong."""

RULES = "rules/old_age_allowance/2019-10-01.rules.md"
MATTER = "matters/old_age_allowance/2019-10-01/matter.toml"
FORM = "matters/old_age_allowance/2019-10-01/form.schema.json"
SEAL = "rules/releases/old_age_allowance@2019-10-01.seal"
SIGNERS = "rules/signers.toml"
CONCEPTS = "matters/concepts.toml"
REGISTER = "registers/death_register.toml"

Harm = Callable[[Path], object]


def changed(name: str, old: str, new: str) -> Harm:
    """Some words of a file are others."""

    def harm(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text, f"{name} has no {old}"
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return harm


def gone(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def filled(name: str, content: bytes) -> Harm:
    return lambda folder: (folder / name).write_bytes(content)


def unsigned(whose: str) -> Harm:
    """Whoever has that in the name has not signed."""

    def harm(folder: Path) -> None:
        lines = (folder / SEAL).read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if whose not in line]
        assert len(kept) < len(lines)
        (folder / SEAL).write_text("".join(kept), "utf-8")

    return harm


def forged(whose: str) -> Harm:
    """A character of somebody's signature is another."""

    def harm(folder: Path) -> None:
        text = (folder / SEAL).read_text("utf-8")
        at = text.index(whose) + len(whose) + 20
        other = "A" if text[at] != "A" else "B"
        (folder / SEAL).write_text(text[:at] + other + text[at + 1 :], "utf-8")

    return harm


def twice(folder: Path) -> None:
    """The first signer stands in the file once more."""
    text = (folder / SIGNERS).read_text("utf-8")
    (folder / SIGNERS).write_text(f"{text}\n[[signers]]{text.split('[[signers]]')[1]}", "utf-8")


GBK = "没有".encode("gbk")
HARMS: Mapping[str, Harm] = {
    # what policy staff own
    "an amount changed after publishing": changed(RULES, "200", "2000"),
    "a rule file that is no rule file": filled(RULES, b"# nothing\n"),
    "a rule file in another encoding": filled(RULES, GBK),
    "a rule file gone": gone(RULES),
    "a rule file of another day": lambda city: (city / RULES).rename(
        city / RULES.replace("2019-10-01", "2019-10-02")
    ),
    # what service design owns
    "a matter changed after publishing": changed(MATTER, "days = 5", "days = 50"),
    "a matter that is no TOML": changed(MATTER, "id = ", "id : "),
    "a matter in another encoding": filled(MATTER, GBK),
    "a matter with a setting that is none": changed(MATTER, "retention", "retentoin"),
    "a matter that asks a register that there is not": changed(
        MATTER, 'type = "death_register"', 'type = "death_registry"'
    ),
    "a penalty that the machine would decide": changed(
        MATTER, 'kind = "grant"', 'kind = "penalty"'
    ),
    "a matter gone": gone(MATTER),
    "a form that is no JSON": changed(FORM, "{", "("),
    "a form in another encoding": filled(FORM, GBK),
    "a form that asks for what is not there": changed(
        FORM, '"applicant.truthful"\n  ]', '"applicant.truth"\n  ]'
    ),
    "a form gone": gone(FORM),
    "concepts that are no TOML": filled(CONCEPTS, b"["),
    "concepts in another encoding": filled(CONCEPTS, GBK),
    "concepts gone": gone(CONCEPTS),
    "a concept that another register vouches for": changed(
        CONCEPTS, 'source = "death_register"', 'source = "payment_ledger"'
    ),
    # what two people have sealed
    "a seal gone": gone(SEAL),
    "a seal of another release": changed(SEAL, "3", "4"),
    "a seal in another encoding": filled(SEAL, GBK),
    "a seal that is none": filled(SEAL, b"a7e29492\n"),
    "a signature of something else": forged("author@sample.invalid"),
    "a release that one person has signed": unsigned("approver@sample.invalid"),
    "a release that nobody has signed": unsigned("@sample.invalid"),
    "a signer under another name": changed(SIGNERS, "approver@", "somebody@"),
    "a signer who is in no file": lambda city: (city / SIGNERS).write_text(
        (city / SIGNERS).read_text("utf-8").rpartition("[[signers]]")[0], "utf-8"
    ),
    "a signer who stands there twice": twice,
    "signers gone": gone(SIGNERS),
    "signers that are no TOML": filled(SIGNERS, b"["),
    "signers in another encoding": filled(SIGNERS, GBK),
    # what register owners agreed to
    "a register that says the opposite": changed(REGISTER, '"living"', '"deceased"'),
    "a register that is no TOML": filled(REGISTER, b"["),
    "a register in another encoding": filled(REGISTER, GBK),
    "a register with a code that means nothing": changed(REGISTER, '"MATCH"', '"MAYBE"'),
    "no register": lambda city: shutil.rmtree(city / "registers") or (city / "registers").mkdir(),
}


STORE_HARMS: Mapping[str, Harm] = {
    "the master key gone": gone("master.key"),
    "the signing key gone": gone("signing.key"),
    "the anchor gone": gone("anchor"),
    "a store that is no database": filled("store.sqlite", b"not a database" * 1_000),
    "a store that is empty": filled("store.sqlite", b""),
    "a store gone": gone("store.sqlite"),
}


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A city of its own, with two of the sample city's matters."""
    for name in ("library_card", "old_age_allowance"):
        for owner in ("rules", "matters"):
            shutil.copytree(ROOT / owner / name, tmp_path / "city" / owner / name)
    shutil.copytree(ROOT / "rules/releases", tmp_path / "city/rules/releases")
    shutil.copy(ROOT / SIGNERS, tmp_path / "city" / SIGNERS)
    shutil.copy(ROOT / CONCEPTS, tmp_path / "city" / CONCEPTS)
    shutil.copytree(registry.PACKAGED, tmp_path / "city" / "registers")
    return tmp_path / "city"


async def start(city: Path, store: Path, **more: str) -> None:
    """Start the service and stop it again."""
    environment = {"MIAOPI_CITY": str(city), "MIAOPI_STORE": str(store), "MIAOPI_PORT": "0"}
    settings = read_settings({**environment, **more}, city=ROOT)
    async with service(
        settings,
        registers=registers_of(settings),
        addresses={},
        jwks=public_jwks(new_private_key()),
    ):
        pass


async def refusal(city: Path, store: Path) -> dict[str, Any]:
    """What an operator reads, without the folders of this machine."""
    with pytest.raises((DecisionServiceError, AuditError)) as caught:
        await start(city, store)
    error = caught.value
    read = {"reason": error.reason, "message": str(error), "hint": error.hint, "zh": error.zh}
    return {key: words.replace(str(store), "…") for key, words in read.items()}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_the_same_city_unharmed_is_served(city: Path, tmp_path: Path) -> None:
    await start(city, tmp_path / "store")


@pytest.mark.parametrize("when", HARMS)
async def test_a_file_that_is_not_as_it_should_be_is_named_with_what_to_do(
    when: str, city: Path, tmp_path: Path
) -> None:
    HARMS[when](city)

    assert await refusal(city, tmp_path / "store") == WORDS[when]
    assert not (tmp_path / "store" / "store.sqlite").exists()


async def test_an_anchor_on_another_disk_is_where_everybody_looks_for_it(
    city: Path, tmp_path: Path
) -> None:
    store, anchor = tmp_path / "store", tmp_path / "disk" / "anchor"
    anchor.parent.mkdir()
    elsewhere = {"MIAOPI_ANCHOR": str(anchor)}

    for _ in range(2):
        await start(city, store, **elsewhere)

    assert Anchor(anchor).read().size > 0
    assert not (store / "anchor").exists()
    assert (await refusal(city, store))["reason"] == "ANCHOR_MISSING"
    backed_up = str(tmp_path / "backup")
    for typed in (
        ["audit", "verify", "--store", str(store)],
        ["doctor", "--store", str(store)],
        ["audit", "backup", "--store", str(store), "--to", backed_up],
        ["audit", "renew-key", "--store", str(store)],
        ["audit", "verify", "--store", str(store)],
        ["audit", "verify", "--store", backed_up],
    ):
        done = await asyncio.to_thread(CliRunner().invoke, miaopi, typed, env=elsewhere)
        assert done.exit_code == 0, done.output
    await start(city, store, **elsewhere)


@pytest.mark.parametrize("when", STORE_HARMS)
async def test_a_store_that_is_not_as_it_was_left_is_refused(when: str, tmp_path: Path) -> None:
    await start(ROOT, tmp_path)
    STORE_HARMS[when](tmp_path)
    left = contents(tmp_path)

    assert await refusal(ROOT, tmp_path) == WORDS[when]
    assert left.items() <= contents(tmp_path).items(), "what was left is evidence"


def test_the_golden_file_has_no_word_that_nobody_reads() -> None:
    assert sorted(WORDS) == sorted([*HARMS, *STORE_HARMS])

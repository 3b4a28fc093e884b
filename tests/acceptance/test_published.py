"""Who wrote a release and who approved it stands in the record before anything is decided by it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from audit.note import Note, SigningKey, VerifierKey
from audit.trail import Recorded, Trail
from audit.trail.queries import Is, find
from decision_service.catalogue import Catalogue
from decision_service.errors import InvalidPublicationError
from decision_service.model import Text
from decision_service.office import Office
from decision_service.publication import Duty, Publication, Seal, Signatories, Signatory
from decision_service.release import restore
from decision_service.server import new_private_key, public_jwks
from decision_service.service import registers_of, service
from decision_service.settings import read_settings

ROOT = Path(__file__).parent.parent.parent


async def serve(store: Path, **environment: str) -> None:
    """Start the service on that store, and stop it again."""
    settings = read_settings(
        {"MIAOPI_STORE": str(store), "MIAOPI_PORT": "0", **environment}, city=ROOT
    )
    registers, jwks = registers_of(settings), public_jwks(new_private_key())
    async with service(settings, registers=registers, addresses={}, jwks=jwks):
        pass


async def recorded(store: Path) -> list[Recorded]:
    """The publications on record, the oldest first."""
    async with Trail.open(store) as trail:
        publications = Is("type", "=", "publication/1")
        found = await trail.ask(lambda c: find(c, publications, before=1 << 40, limit=100))
        return [await trail.read(one.index) for one in reversed(found)]


async def test_s1_the_record_has_the_seal_of_every_release_that_is_in_force(
    published: Catalogue, tmp_path: Path
) -> None:
    await serve(tmp_path / "store")

    found = await recorded(tmp_path / "store")

    assert {one.permanent["release_digest"] for one in found} == {
        one.digest for one in published.releases
    }
    assert len(found) == len(published.releases)
    async with Trail.open(tmp_path / "store") as trail:
        for one in found:
            archive = await trail.archived(str(one.permanent["release_digest"]))
            assert archive
            release = restore(archive)
            note = Note.read(str(one.permanent["seal"]))
            assert note.text.split("\n")[1:3] == [release.name, release.digest]
            keys = one.permanent["signed_by"]
            assert isinstance(keys, list)
            assert len(keys) == 2
            assert all(VerifierKey(str(key)).has_signed(note.text, note.signatures) for key in keys)


async def test_s1_a_release_is_published_once_however_often_the_service_starts(
    tmp_path: Path,
) -> None:
    await serve(tmp_path / "store")
    first = await recorded(tmp_path / "store")
    await serve(tmp_path / "store")

    assert [one.index for one in await recorded(tmp_path / "store")] == [one.index for one in first]


async def test_s1_who_makes_the_same_seal_count_later_is_on_record_too(
    published: Catalogue, office: Office, clock: Any
) -> None:
    """Else nobody could verify by the record why a release counts once its approver has gone."""
    keys = {name: SigningKey(SigningKey.generate(name)) for name in ("ann", "bo", "carl")}
    seal = Seal(published.releases[0])
    for key in keys.values():
        seal = seal.signed(key)

    def by(approver: str) -> Publication:
        may = {"ann": Duty.WRITE, approver: Duty.APPROVE}
        return seal.publication(
            Signatories(
                [
                    Signatory(
                        key=keys[one].verifier_key, title=Text(zh=one, en=one), may=(may[one],)
                    )
                    for one in may
                ],
                "signers.toml",
            )
        )

    for approver in ("bo", "carl", "carl", "bo"):
        await office.record.published(by(approver), now=clock())

    found = await office.record.find(Is("type", "=", "publication/1"), before=1 << 40, limit=9)
    told = [str(one.leaf.permanent["signed_by"]) for one in reversed(found)]
    assert [("bo+" in one, "carl+" in one) for one in told] == [(True, False), (False, True)]


async def test_s1_nobody_brings_older_rules_back_by_taking_a_release_away(tmp_path: Path) -> None:
    """One person could: what was in force before is signed by two already."""
    city, store = tmp_path / "city", tmp_path / "store"
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, city / folder)
    await serve(store, MIAOPI_CITY=str(city))
    name = "old_age_allowance@2019-10-01"
    (city / "rules/old_age_allowance/2019-10-01.rules.md").unlink()
    (city / f"rules/releases/{name}.seal").unlink()
    shutil.rmtree(city / "matters/old_age_allowance/2019-10-01")

    with pytest.raises(InvalidPublicationError) as caught:
        await serve(store, MIAOPI_CITY=str(city))

    refused = caught.value
    assert (refused.reason, refused.metadata) == ("RELEASE_GONE", {"release": name})
    assert str(refused) == f"release `{name}` was published, and its files are gone"
    assert "rules/old_age_allowance/2019-10-01.rules.md" in refused.hint
    assert name in refused.zh
    for folder in ("rules", "matters"):  # a matter that is given up altogether decides nothing
        shutil.rmtree(city / folder / "old_age_allowance")
    await serve(store, MIAOPI_CITY=str(city))


async def test_s1_the_operator_s_own_file_of_signers_counts(tmp_path: Path) -> None:
    """Whoever can change the rules cannot make themselves two persons."""
    mine = tmp_path / "signers.toml"
    mine.write_text((ROOT / "rules/signers.toml").read_text("utf-8"), encoding="utf-8")
    city = tmp_path / "city"
    for folder in ("rules", "matters"):
        shutil.copytree(ROOT / folder, city / folder)
    (city / "rules/signers.toml").write_text("signers = []", encoding="utf-8")

    await serve(tmp_path / "store", MIAOPI_CITY=str(city), MIAOPI_SIGNERS=str(mine))

    assert await recorded(tmp_path / "store")

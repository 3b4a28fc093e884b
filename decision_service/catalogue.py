"""Which release of a matter is in force on which day. Immutable; a reload swaps it whole."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from decision_service.errors import InvalidPublicationError, NotPublishedError
from decision_service.matter import Meanings, Registers
from decision_service.model import MatterId
from decision_service.release import Release, compose, read_meanings


class Catalogue:
    """All releases of a city, found by matter and day.

    Args:
        releases: In any order; two of one matter never begin on the same day.
    """

    def __init__(self, releases: Iterable[Release]) -> None:
        by_matter: dict[MatterId, list[Release]] = {}
        for release in sorted(releases, key=lambda one: (one.matter.id, one.effective)):
            by_matter.setdefault(release.matter.id, []).append(release)
        self._by_matter = {matter: tuple(found) for matter, found in by_matter.items()}
        self._by_digest = {
            release.digest: release for found in by_matter.values() for release in found
        }

    @property
    def releases(self) -> Sequence[Release]:
        """Every release, by matter and day."""
        return tuple(self._by_digest.values())

    def release_on(self, matter: MatterId, day: date) -> Release:
        """The release of the matter that is in force on the day.

        Raises:
            NotPublishedError: The matter is not published, or not yet on that day.
        """
        try:
            releases = self._by_matter[matter]
        except KeyError:
            raise NotPublishedError(
                "this matter is not published",
                zh="没有这一事项，请从事项清单中选择。",
                reason="MATTER_NOT_FOUND",
                hint=f"Published are: {', '.join(sorted(self._by_matter))}.",
            ) from None
        begun = [release for release in releases if release.effective <= day]
        if not begun:
            raise NotPublishedError(
                f"`{matter}` has no release in force on {day}",
                zh=f"该事项自 {releases[0].effective} 起办理，{day} 尚无有效规则。",
                reason="NO_RELEASE_IN_FORCE",
                hint=f"The first one begins on {releases[0].effective}.",
                matter=matter,
                date=day.isoformat(),
            )
        return begun[-1]

    def matters_on(self, day: date) -> tuple[Release, ...]:
        """The release in force of every matter that has one on the day, by matter id."""
        return tuple(
            self.release_on(matter, day)
            for matter, releases in self._by_matter.items()
            if releases[0].effective <= day
        )

    def by_digest(self, digest: str) -> Release | None:
        """The release of that digest; None if it is not among the published."""
        return self._by_digest.get(digest)


def load(city: Path, registers: Registers) -> Catalogue:
    """Compose every release of a city's folder and hold it against its sealed digest.

    Args:
        city: The folder that has ``rules/`` and ``matters/``.

    Raises:
        RuleFileError: A rule file is wrong.
        InvalidPublicationError: Another file is; a rule file has no matter beside it or the
            other way round; or a release is not what its digest file says.
    """
    releases = compose_all(city, registers)
    for release in releases:
        _hold_against_seal(city, release)
    return Catalogue(releases)


def compose_all(city: Path, registers: Registers) -> tuple[Release, ...]:
    """Compose every release of a city's folder, sealed or not (drafts).

    Raises:
        RuleFileError: A rule file is wrong.
        InvalidPublicationError: Another file is, or is missing.
    """
    concepts = city / "matters" / "concepts.toml"
    meanings = read_meanings(_text(concepts, city), where=_name(concepts, city))
    days = {
        (path.parent.name, path.name.removesuffix(".rules.md"))
        for path in (city / "rules").glob("*/*.rules.md")
    } | {(path.parent.parent.name, path.parent.name) for path in city.glob("matters/*/*/*")}
    return tuple(_compose(city, matter, day, meanings, registers) for matter, day in sorted(days))


def seal(city: Path, release: Release) -> Path:
    """Write the digest file of a release; publishing it is to commit that file."""
    path = _seal_file(city, release)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(release.digest + "\n", encoding="ascii")
    return path


def _compose(
    city: Path, matter: str, day: str, meanings: Meanings, registers: Registers
) -> Release:
    """One release from its three files."""
    rules = city / "rules" / matter / f"{day}.rules.md"
    folder = city / "matters" / matter / day
    release = compose(
        rules=_text(rules, city),
        matter=_text(folder / "matter.toml", city),
        form=_text(folder / "form.schema.json", city),
        meanings=meanings,
        registers=registers,
        where=_name(rules, city),
    )
    if release.name != f"{matter}@{day}":
        raise InvalidPublicationError(
            f"`{_name(rules, city)}` says it is `{release.name}`",
            zh=f"“{_name(rules, city)}”文件内写明的是 {release.name}，与文件名不符",
            reason="RELEASE_MISNAMED",
            hint="Make the matter id and the effective day those of the folder and the file.",
        )
    return release


def _hold_against_seal(city: Path, release: Release) -> None:
    """Refuse a release that is not sealed, or no longer what was sealed."""
    path = _seal_file(city, release)
    sealed = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    if sealed == release.digest:
        return
    what = "was changed after it was published" if sealed else "is not published"
    raise InvalidPublicationError(
        f"release `{release.name}` {what}",
        zh=f"版本 {release.name} " + ("发布后被改动" if sealed else "尚未发布"),
        reason="RELEASE_CHANGED" if sealed else "RELEASE_NOT_SEALED",
        hint=(
            "Undo the change, or publish it as a new release with a later first day."
            if sealed
            else f"Publish it: `miaopi rules seal {release.name}`, and have a second person commit."
        ),
        release=release.name,
        sealed=sealed,
        found=release.digest,
    )


def _seal_file(city: Path, release: Release) -> Path:
    """Where a release's digest lies."""
    return city / "rules" / "releases" / f"{release.name}.sha256"


def _text(path: Path, city: Path) -> str:
    """A file of the city, or what is missing."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidPublicationError(
            f"`{_name(path, city)}` is missing",
            zh=f"缺少文件“{_name(path, city)}”",
            reason="FILE_MISSING",
            hint="A rule file, its matter.toml and its form.schema.json are published together.",
        ) from None


def _name(path: Path, city: Path) -> str:
    """A file's name as its owners know it, without the machine's folders."""
    return path.relative_to(city).as_posix()

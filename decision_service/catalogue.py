"""Which release of a matter is in force on which day. Immutable; a reload swaps it whole."""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from decision_service import workdays
from decision_service.errors import InvalidPublicationError, NotPublishedError
from decision_service.matter import Meanings, Registers
from decision_service.model import Calendar, MatterId
from decision_service.publication import (
    Publication,
    Seal,
    Signatories,
    read_signatories,
    seal_file,
)
from decision_service.release import Release, compose, read_meanings, refuse_other_names
from decision_service.rulebook.tree import RuleFileError


class Catalogue:
    """All releases of a city, found by matter and day.

    Args:
        releases: In any order; two of one matter never begin on the same day.
        publications: Who signed them.
    """

    def __init__(
        self, releases: Iterable[Release], publications: Sequence[Publication] = ()
    ) -> None:
        self.publications = publications
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
                hint="`ListMatters` tells which are.",
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

    def refuse_gone(self, on_record: Iterable[tuple[MatterId, str]]) -> None:
        """Hold what has been published before, by matter and name, against what is now.

        Whoever takes a release away brings the one before it back, and would do so alone. A
        matter that is given up altogether decides nothing.

        Raises:
            InvalidPublicationError: A release of a matter that there is has gone.
        """
        names = {release.name for release in self.releases}
        for matter, name in on_record:
            if matter in self._by_matter and name not in names:
                raise _gone(name)

    def by_digest(self, digest: str) -> Release | None:
        """The release of that digest; None if it is not among the published."""
        return self._by_digest.get(digest)


def load(city: Path, registers: Registers, signers: Path | None = None) -> Catalogue:
    """Compose every release of a city's folder and hold it against its seal.

    Args:
        city: The folder that has ``rules/`` and ``matters/``.
        signers: The file that names who may sign (`read_signatories`).

    Raises:
        InvalidPublicationError: A file is wrong; a rule file has no matter beside it or the
            other way round; or a release is not what two persons have signed.
    """
    signatories = read_signatories(city, signers)
    try:
        releases = compose_all(city, registers)
    except RuleFileError as error:
        raise _not_applicable(error) from None
    return Catalogue(releases, [_published(city, release, signatories) for release in releases])


def compose_all(city: Path, registers: Registers) -> tuple[Release, ...]:
    """Compose every release of a city's folder, sealed or not (drafts).

    Raises:
        RuleFileError: A rule file is wrong.
        InvalidPublicationError: Another file is, or is missing.
    """
    meanings = meanings_of(city)
    days = {
        (path.parent.name, path.name.removesuffix(".rules.md"))
        for path in (city / "rules").glob("*/*.rules.md")
    } | {(path.parent.parent.name, path.parent.name) for path in city.glob("matters/*/*/*")}
    calendar = workdays.load(city).calendar
    return tuple(
        _compose(city, matter, day, meanings, registers, calendar) for matter, day in sorted(days)
    )


def meanings_of(city: Path) -> Meanings:
    """What every concept means in the city.

    Raises:
        InvalidPublicationError: `concepts.toml` is missing or wrong.
    """
    concepts = city / "matters" / "concepts.toml"
    return read_meanings(text_of(concepts, city), where=_name(concepts, city))


def seal_of(city: Path, release: Release) -> Seal | None:
    """The seal of a release; None if nobody has begun one.

    Raises:
        InvalidPublicationError: It is not of this release as it is now.
    """
    path = city / seal_file(release.name)
    return Seal.read(release, text_of(path, city)) if path.is_file() else None


def _compose(  # noqa: PLR0917  # what a release is made of
    city: Path,
    matter: str,
    day: str,
    meanings: Meanings,
    registers: Registers,
    calendar: Calendar,
) -> Release:
    """One release from its three files."""
    rules = city / "rules" / matter / f"{day}.rules.md"
    folder = city / "matters" / matter / day
    release = compose(
        rules=text_of(rules, city),
        matter=text_of(folder / "matter.toml", city),
        form=text_of(folder / "form.schema.json", city),
        meanings=meanings,
        registers=registers,
        where=_name(rules, city),
        calendar=calendar,
    )
    refuse_misnamed(rules, city, release.name)
    refuse_other_names(release)
    return release


def refuse_misnamed(rules: Path, city: Path, release: str) -> None:
    """Hold the name of a rule file against the matter and the day that it gives itself.

    Raises:
        InvalidPublicationError: It is named after another.
    """
    if f"{rules.parent.name}@{rules.name.removesuffix('.rules.md')}" != release:
        raise InvalidPublicationError(
            f"`{_name(rules, city)}` says it is `{release}`",
            zh=f"“{_name(rules, city)}”文件内写明的是 {release}，与文件名不符",
            reason="RELEASE_MISNAMED",
            hint="Make the matter id and the effective day those of the folder and the file.",
        )


def _published(city: Path, release: Release, signatories: Signatories) -> Publication:
    """Who has published a release, which is as it was then."""
    seal = seal_of(city, release)
    if seal is None:
        raise InvalidPublicationError(
            f"release `{release.name}` is not published",
            zh=f"版本 {release.name} 尚未发布，请运行 miaopi rules seal，"
            "再由第二人运行 miaopi rules approve",
            reason="RELEASE_NOT_SEALED",
            hint=f"Publish it: `miaopi rules seal {release.name}`, and then a second person:"
            f" `miaopi rules approve {release.name}`.",
            release=release.name,
        )
    return seal.publication(signatories)


def _gone(name: str) -> InvalidPublicationError:
    matter, _, day = name.partition("@")
    rules, beside = f"rules/{matter}/{day}.rules.md", f"matters/{matter}/{day}/"
    return InvalidPublicationError(
        f"release `{name}` was published, and its files are gone",
        zh=f"版本 {name} 已经发布，其文件却不见了；请放回“{rules}”“{beside}”和“{seal_file(name)}”。"
        "不再适用的，请由两人签署同一生效日或更晚生效日的版本，不得由一人撤下",
        reason="RELEASE_GONE",
        hint=f"Put back `{rules}`, `{beside}` and `{seal_file(name)}`. What should not be applied"
        " is replaced by a release of the same or a later first day that two persons have signed.",
        release=name,
    )


def text_of(path: Path, city: Path) -> str:
    """A file of the city.

    Raises:
        InvalidPublicationError: It is missing, cannot be read, or is not UTF-8.
    """
    name = _name(path, city)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidPublicationError(
            f"`{name}` is missing",
            zh=f"缺少文件“{name}”，请补齐（新版本可从上一版本复制）；如目录有误，请指明城市文件夹",
            reason="FILE_MISSING",
            hint="Write it (for a new release, as a copy of the one before) or put it back; a rule "
            "file, its matter.toml, its form.schema.json and the city's concepts.toml are published"
            " together. If this is no city's folder, name that.",
        ) from None
    except UnicodeDecodeError:
        raise InvalidPublicationError(
            f"`{name}` is not UTF-8",
            zh=f"文件“{name}”不是 UTF-8 编码，请另存为 UTF-8",
            reason="FILE_NOT_UTF8",
            hint="Save it again with the encoding UTF-8; GBK and GB 18030 are other encodings.",
        ) from None
    except OSError as error:
        raise InvalidPublicationError(
            f"`{name}` cannot be read: {error.strerror}",
            zh=f"无法读取文件“{name}”，请检查文件权限",
            reason="FILE_UNREADABLE",
            hint="Let the user that the service runs as read it.",
        ) from None


def _not_applicable(error: RuleFileError) -> InvalidPublicationError:
    """A rule file that cannot be applied, with everything that is wrong in it."""
    places = [(f"{one.at.line}:{one.at.column} {one.code}", one.message) for one in error.findings]
    return InvalidPublicationError(
        f"`{error.where}` cannot be published: "
        + "; ".join(f"{place} {text.en}" for place, text in places),
        zh=f"“{error.where}”不能发布：" + "；".join(f"{place} {text.zh}" for place, text in places),
        reason="RULE_FILE_INVALID",
        hint=f"`miaopi rules check {error.where}` shows every place and what to do there.",
    )


def _name(path: Path, city: Path) -> str:
    """A file's name as its owners know it, without the machine's folders."""
    return path.relative_to(city).as_posix()

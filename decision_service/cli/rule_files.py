"""Rule files on disk: read as their city would publish them, and what is wrong with them shown."""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from decision_service import catalogue, workdays
from decision_service.cli import show
from decision_service.errors import InvalidPublicationError
from decision_service.matter import Meanings, Registers
from decision_service.model import FILING_DATE, Calendar, Concept, Text
from decision_service.publication import seal_file
from decision_service.release import Release, compose, read_meanings, refuse_other_names
from decision_service.rulebook import engine, skeleton
from decision_service.rulebook.document import read
from decision_service.rulebook.formatting import formatted
from decision_service.rulebook.source import LONGEST_FILE
from decision_service.rulebook.tree import Finding, Rulebook, RuleFileError
from evidence_adapters import registry

SUFFIX = ".rules.md"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule file as it was found.

    Attributes:
        book: None if a finding refuses it.
        findings: Warnings too.
        beside: What is wrong with the files that are published together with it; empty if
            nothing is, or if the file lies alone.
    """

    path: Path
    text: str
    book: Rulebook | None
    findings: tuple[Finding, ...]
    beside: str = ""


def rule_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The rule files that were named, or that lie in the folders that were."""
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob(f"**/*{SUFFIX}"))
            if not found:
                raise typer.BadParameter(
                    f"“{path}”里没有规则文件 | there is no rule file in `{path}`"
                )
            yield from found
        else:
            yield path


def text_of(path: Path) -> str:
    """What a rule file says; a byte that is no UTF-8 becomes a character that is a finding.

    Raises:
        typer.BadParameter: There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise typer.BadParameter(f"没有文件“{path}” | there is no file `{path}`")
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST_FILE + 4)  # no more than tells that it is too large
    except OSError as error:
        raise typer.BadParameter(
            f"“{path}”读不出 | `{path}` cannot be read: {error.strerror}"
        ) from None
    return raw.decode("utf-8", errors="replace")


def write(path: Path, text: str) -> None:
    """Write a file of a city whole or not at all, and the folder that it lies in.

    What lies there is replaced and never written to: it may be a link to another file.

    Raises:
        typer.BadParameter: It cannot be written.
    """
    draft = path.with_name(f"{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise typer.BadParameter(
            f"“{path}”写不了 | `{path}` cannot be written: {error.strerror}"
        ) from None


def open_rule_file(path: Path) -> RuleFile:
    """Read a rule file; if it lies in a city's folder, hold it against the city's other files."""
    text = text_of(path)
    book = None
    try:
        calendar = workdays.load(path.absolute().parent.parent.parent).calendar
        book = read(text, where=str(path), calendar=calendar)
        if refused := engine.limits(book):
            return RuleFile(path, text, None, (*refused, *book.warnings))
        published = _as_published(path, text, book)
    except RuleFileError as error:
        return RuleFile(path, text, None, error.findings)
    except InvalidPublicationError as error:
        findings = book.warnings if book else ()
        return RuleFile(path, text, book, findings, _beside(error))
    return RuleFile(path, text, published or book, book.warnings)


def _beside(error: InvalidPublicationError) -> str:
    return f"{error.zh}\n    {error} {error.hint}"


def city_calendar(city: Path) -> Calendar:
    """The working days of the city in that folder; none if there is no calendar.

    Raises:
        typer.BadParameter: It cannot be read.
    """
    try:
        return workdays.load(city).calendar
    except InvalidPublicationError as error:
        raise typer.BadParameter(_beside(error)) from None


def city_meanings(path: Path) -> Meanings:
    """The concepts of the city in whose folder a rule file lies; none if it lies alone.

    Raises:
        typer.BadParameter: They cannot be read.
    """
    city = path.absolute().parent.parent.parent
    concepts = city / "matters" / "concepts.toml"
    if not concepts.is_file():
        return {}
    try:
        return read_meanings(catalogue.text_of(concepts, city), where="matters/concepts.toml")
    except InvalidPublicationError as error:
        raise typer.BadParameter(_beside(error)) from None


def city_registers(path: Path) -> Registers:
    """What the registers of the city in whose folder a rule file lies mean."""
    own = path.absolute().parent.parent.parent / "registers"
    return {key: one.meaning for key, one in registry.load(own if own.is_dir() else None).items()}


def drafted(path: Path, concepts: Sequence[str], *, title: str, authority: str) -> str:
    """The first draft of a rule file: from the release before, or from the concepts it uses.

    Raises:
        typer.BadParameter: The day is none, or the city has no such concept.
        typer.Exit: The release before cannot be read, or what was given has no place in a rule
            file; what is wrong is printed.
    """
    effective, matter = _day_of(path), path.parent.name
    if effective is None:
        day = path.name.removesuffix(SUFFIX)
        raise typer.BadParameter(f"“{day}”不是日期 | `{day}` is no day such as 2027-01-01")
    if before := release_before(path):
        release = path.with_name(f"{before}{SUFFIX}")
        text = text_of(release)
        with _findings_of(release, text):
            return skeleton.following(text, effective, before, where=str(release))
    meanings = city_meanings(path)
    unknown = sorted({FILING_DATE, *concepts} - {*meanings})
    if unknown:
        names = ", ".join(unknown)
        like = [one for name in unknown for one in get_close_matches(name, meanings, n=1)]
        meant = ", ".join(dict.fromkeys(like))
        hint = f"。是不是“{meant}”？ Did you mean `{meant}`?" if like else ""
        raise typer.BadParameter(
            f"本市没有信息项“{names}” | the city has no concept `{names}`{hint}"
        )
    used = [meanings[Concept(one)] for one in dict.fromkeys([FILING_DATE, *concepts])]
    text = skeleton.first(matter, effective, _both(title), _both(authority), used)
    with _findings_of(path, text):
        return formatted(text, where=str(path), meanings=meanings)


def release_before(path: Path) -> date | None:
    """The day of the rule file before that one; None if it is the first of its matter."""
    days = [found for one in path.parent.glob(f"*{SUFFIX}") if (found := _day_of(one))]
    effective = _day_of(path)
    return max((one for one in days if effective and one < effective), default=None)


@contextmanager
def _findings_of(path: Path, text: str) -> Iterator[None]:
    """What is wrong with the text of a rule file ends the command, and is printed."""
    try:
        yield
    except RuleFileError as error:
        print_findings(RuleFile(path, text, None, error.findings))
        raise typer.Exit(1) from None


def _day_of(path: Path) -> date | None:
    """The day that a rule file is named after; None if its name is no day."""
    day = path.name.removesuffix(SUFFIX)
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return None
    return found if found.isoformat() == day else None  # it also takes 20270101 and 2027-W01-1


def _both(text: str) -> Text:
    zh, _, en = text.partition("|")
    return Text(zh=zh.strip(), en=en.strip() or zh.strip())


def composed_city(city: Path) -> tuple[Release, ...]:
    """Every release of a city's folder; where one cannot be, what is wrong is printed."""
    own = city / "registers"
    with refused():
        try:
            registers = registry.load(own if own.is_dir() else None, catalogue.meanings_of(city))
            meanings = {key: register.meaning for key, register in registers.items()}
            return catalogue.compose_all(city, meanings)
        except RuleFileError as error:
            path = city / error.where
            print_findings(RuleFile(path, path.read_text(encoding="utf-8"), None, error.findings))
    raise typer.Exit(1)


def release_of(file: Path) -> Release:
    """The release of a rule file, with what its city publishes together with it."""
    named = f"{file.parent.name}@{file.name.removesuffix(SUFFIX)}"
    for release in composed_city(file.absolute().parent.parent.parent):
        if release.name == named:
            return release
    raise typer.BadParameter(f"“{file}”不在城市文件夹的 rules/ 中 | not in the rules/ of a city")


@contextmanager
def refused() -> Iterator[None]:
    """What cannot be published ends the command, with what to do about it."""
    try:
        yield
    except InvalidPublicationError as error:
        show.err.print(f"{error}\n{error.zh}\n{error.hint}", soft_wrap=True)
        raise typer.Exit(1) from None


def is_sealed(path: Path) -> bool:
    """Whether somebody has signed the release of a rule file."""
    day, matter = path.name.removesuffix(SUFFIX), path.absolute().parent.name
    return (path.absolute().parent.parent.parent / seal_file(f"{matter}@{day}")).is_file()


def _as_published(path: Path, text: str, book: Rulebook) -> Rulebook | None:
    """The rule file as part of its release; None if no files of a release lie beside it.

    Raises:
        InvalidPublicationError: It is not named as a city's files are, or something beside it is
            wrong.
    """
    place, day = path.absolute(), path.name.removesuffix(SUFFIX)
    city = place.parent.parent.parent
    folder, concepts = city / "matters" / place.parent.name / day, city / "matters/concepts.toml"
    if not concepts.is_file():
        return None
    catalogue.refuse_misnamed(place, city, f"{book.matter}@{book.effective}")
    if not folder.is_dir():
        return None
    release = compose(
        rules=text,
        matter=catalogue.text_of(folder / "matter.toml", city),
        form=catalogue.text_of(folder / "form.schema.json", city),
        meanings=read_meanings(catalogue.text_of(concepts, city), where="matters/concepts.toml"),
        registers=city_registers(path),
        where=str(path),
        calendar=workdays.load(city).calendar,
    )
    refuse_other_names(release)
    return release.book


# ── showing ──────────────────────────────────────────────────────────────────────────────────────


def print_findings(file: RuleFile) -> None:
    """Print each finding where it is, in both languages, and the line with the place marked."""
    lines = file.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for finding in file.findings:
        at, message, hint = finding.at, finding.message, finding.hint
        place = f"{file.path}:{at.line}:{at.column}"
        show.out.print(f"{place}: {finding.code} {message.zh} | {message.en}", soft_wrap=True)
        excerpt, mark = _excerpt(lines[at.line - 1], at.column)
        show.out.print(f"    {excerpt}\n    {mark}", soft_wrap=True)
        show.out.print(f"    {hint.zh} | {hint.en}", soft_wrap=True)
    if file.beside:
        show.out.print(f"{file.path}: {file.beside}", soft_wrap=True)


def as_json(finding: Finding) -> dict[str, Any]:
    """A finding for machines."""
    return {
        "line": finding.at.line,
        "column": finding.at.column,
        "code": finding.code,
        "message": finding.message.model_dump(),
        "hint": finding.hint.model_dump(),
    }


def _excerpt(line: str, column: int) -> tuple[str, str]:
    """The part of a line around a column, and a caret that stands below it on a terminal."""
    start = max(0, column - 60)
    part = "".join(one if one.isprintable() else "�" for one in line[start : column + 40])
    before = sum(_width(one) for one in part[: column - 1 - start])
    return part, " " * before + "^"


def _width(character: str) -> int:
    """Columns of a terminal that a character takes: a Chinese one takes two."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

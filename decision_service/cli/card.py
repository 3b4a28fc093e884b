"""What whoever approves a release reads: what it changes, and who has signed it."""

import json
from collections.abc import Iterator, Sequence
from difflib import unified_diff

from rich.console import Group, RenderableType
from rich.text import Text as Words

from decision_service.publication import Signatory
from decision_service.release import Release

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def changes(release: Release, before: Release | None) -> RenderableType:
    """Line by line, of all that the release is made of; of the first one, that it is the first."""
    title = release.book.title
    head = [Words(f"{release.name}  {title.zh} {title.en}", "bold"), Words(release.digest, "dim")]
    if before is None:
        return Group(
            *head, Words("首个版本，没有可比的 The first release; there is none before it.")
        )
    head.append(Words(f"与上一版本的不同 What differs from {before.name}:"))
    told = map(_visible, lines(before, release))
    return Group(*head, *(Words(line, _STYLES.get(line[0], "")) for line in told))


def signatures(signed: Sequence[Signatory], strangers: Sequence[str]) -> str:
    """Who has signed it, a line each."""
    if not (signed or strangers):
        return "尚无人签署 Nobody has signed it."
    told = []
    for one in signed:
        duties = "、".join(f"{duty.zh} {duty}" for duty in one.may)
        told.append(f"✓ {one.name}  {one.title.zh} {one.title.en}  有权 may {duties}")
    told += [
        f"✗ {name}  不在签署人名单中，签名无效 is not among the signers: it does not count"
        for name in strangers
    ]
    return "\n".join(told)


def lines(before: Release, release: Release) -> Iterator[str]:
    """A unified diff of each part of the two archives that is not the same."""
    old, new = json.loads(before.archive), json.loads(release.archive)
    for part in sorted({*old, *new} - {"where"}):
        here, there = f"{part} {before.name}", f"{part} {release.name}"
        texts = _text(old.get(part)), _text(new.get(part))
        yield from unified_diff(*texts, here, there, n=1, lineterm="")


def _text(part: object) -> list[str]:
    """A file as its lines; what was taken from the city's own files as lines of JSON."""
    if part is None:
        return []
    if isinstance(part, str):
        return part.split("\n")
    return json.dumps(part, ensure_ascii=False, indent=1, sort_keys=True).split("\n")


def _visible(line: str) -> str:
    """The line with what a terminal would obey, or nobody would see, written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)

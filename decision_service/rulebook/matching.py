"""Patterns held against texts, for the interpreter: all ways at once, character by character.

A list of places in the pattern, the preferred first, moves through the text (Thompson, Pike); no
place is in it twice, so that the time is bounded by the text and the pattern.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from decision_service.rulebook.patterns import (
    LONGEST_TEXT,
    Characters,
    Choice,
    Edge,
    Group,
    Node,
    Pattern,
    PatternError,
    Sequence,
    Star,
    read,
    replacement,
)
from decision_service.rulebook.values import UNKNOWN, Datum, NotKnown

Kept: TypeAlias = tuple[int | None, ...]
"""Where the match and each group begin and end, two numbers for each."""


def matches(text: str, pattern: str, flags: str = "") -> bool | NotKnown:
    """Whether the pattern is anywhere in the text."""
    program = _program(text, pattern, flags)
    return UNKNOWN if program is None else program.search(text, 0) is not None


def replace(text: str, pattern: str, by: str, flags: str = "") -> str | NotKnown:
    """The text with another in place of all that is found; unknown if nothing would be found."""
    program = _program(text, pattern, flags)
    try:
        if program is None or program.search("", 0) is not None:
            return UNKNOWN
        parts = replacement(by, program.pattern.groups)
    except PatternError:
        return UNKNOWN
    said, end = "", 0
    for kept in program.all_in(text):
        said += text[end : kept[0]]
        for part in parts:
            said += part if isinstance(part, str) else _group(text, kept, part)
        end = kept[1] or 0
    return said + text[end:]


def split(text: str, pattern: str) -> Datum | NotKnown:
    """The texts between what is found."""
    program = _program(text, pattern, "")
    if program is None or program.search("", 0) is not None:
        return UNKNOWN
    parts, end = [], 0
    for kept in program.all_in(text):
        parts.append(text[end : kept[0]])
        end = kept[1] or 0
    return (*parts, text[end:])


def _group(text: str, kept: Kept, number: int) -> str:
    return text[kept[2 * number] : kept[2 * number + 1]] if kept[2 * number] is not None else ""


def _program(text: str, pattern: str, flags: str) -> "_Program | None":
    try:
        return None if len(text) > LONGEST_TEXT else _compiled(read(pattern, flags))
    except PatternError:
        return None


@lru_cache(maxsize=512)
def _compiled(pattern: Pattern) -> "_Program":
    return _Program(pattern)


@dataclass(slots=True)
class _Step:
    """A place of the pattern: what must be there, or where it goes on, the preferred first."""

    here: Characters | Edge | None = None
    keeps: int | None = None
    to: list[int] = field(default_factory=list)


class _Program:
    """A pattern as places that lead to each other; the last is the end."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._steps: list[_Step] = []
        self._add(pattern.node)
        self._nothing: Kept = (None,) * (2 * pattern.groups + 2)

    def search(self, text: str, start: int) -> Kept | None:
        """The first match from a place on, of several the preferred."""
        found: Kept | None = None
        here: dict[int, Kept] = {}
        for at in range(start, len(text) + 1):
            if found is None:
                self._reach(0, at, text, (at, *self._nothing[1:]), here)
            if not here and found is not None:
                break
            beyond: dict[int, Kept] = {}
            for place, kept in here.items():
                if place == len(self._steps):
                    found = (kept[0], at, *kept[2:])
                    break
                characters = self._steps[place].here
                fits = isinstance(characters, Characters) and at < len(text)
                if fits and characters.has(text[at]):  # type: ignore[union-attr]  # as just said
                    self._reach(place + 1, at + 1, text, kept, beyond)
            here = beyond
        return found

    def all_in(self, text: str) -> list[Kept]:
        """Every match, each after the one before; none is empty."""
        found, at = [], 0
        while (kept := self.search(text, at)) is not None:
            if kept[0] == kept[1]:  # an edge alone
                if kept[1] == len(text):
                    break
                at = (kept[1] or 0) + 1
                continue
            found.append(kept)
            at = kept[1] or 0
        return found

    def _reach(self, place: int, at: int, text: str, kept: Kept, into: dict[int, Kept]) -> None:
        """Add a place and all that it leads to without a character."""
        waiting = [(place, kept)]
        passed = set[int]()
        while waiting:
            place, kept = waiting.pop()
            if place in into or place in passed:
                continue
            step = self._steps[place] if place < len(self._steps) else _Step()
            if place == len(self._steps) or isinstance(step.here, Characters):
                into[place] = kept
                continue
            passed.add(place)
            if isinstance(step.here, Edge) and not step.here.stands(text, at):
                continue
            if step.keeps is not None:
                kept = (*kept[: step.keeps], at, *kept[step.keeps + 1 :])
            waiting += [(one, kept) for one in reversed(step.to or [place + 1])]

    def _add(self, node: Node) -> None:
        match node:
            case Characters() | Edge():
                self._steps.append(_Step(node))
            case Sequence(items=items):
                for item in items:
                    self._add(item)
            case Choice(items=items):
                self._choice(items)
            case Group(number=number, item=item):
                self._steps.append(_Step(keeps=2 * number))
                self._add(item)
                self._steps.append(_Step(keeps=2 * number + 1))
            case Star(item=item, greedy=greedy):
                begin = len(self._steps)
                self._steps.append(_Step())
                self._add(item)
                self._steps.append(_Step(to=[begin]))
                inside, beyond = begin + 1, len(self._steps)
                self._steps[begin].to = [inside, beyond] if greedy else [beyond, inside]

    def _choice(self, items: tuple[Node, ...]) -> None:
        begin = len(self._steps)
        self._steps.append(_Step())
        ends = []
        for item in items:
            self._steps[begin].to.append(len(self._steps))
            self._add(item)
            ends.append(len(self._steps))
            self._steps.append(_Step())
        for end in ends:
            self._steps[end].to = [len(self._steps)]

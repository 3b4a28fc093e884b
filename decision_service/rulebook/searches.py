"""Patterns held against texts a second time, for the reference: what `matching` does, another way.

Shares the tree of the pattern with it and nothing else. Each part of a pattern is asked where it
can end if it begins at a place, the preferred end first; what it said is kept. ``None`` stands for
what is not known.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from decision_service.rulebook.patterns import (
    LONGEST_TEXT,
    Characters,
    Choice,
    Edge,
    Group,
    Node,
    PatternError,
    Sequence,
    Star,
    read,
    replacement,
)

_End: TypeAlias = tuple[int, Mapping[int, tuple[int, int]]]
"""Where a part ends, and what the groups in it have found."""


class _Search:
    """One text, and all that the parts of a pattern have said about it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._said: dict[tuple[int, int], tuple[_End, ...]] = {}

    def ends(self, node: Node, at: int) -> tuple[_End, ...]:
        """Where it can end, if it begins there."""
        key = id(node), at
        if key not in self._said:
            self._said[key] = tuple(_first_of_each(self._ends(node, at)))
        return self._said[key]

    def _ends(  # noqa: C901  # one case for each kind of part
        self, node: Node, at: int
    ) -> Iterator[_End]:
        match node:
            case Characters():
                if at < len(self._text) and node.has(self._text[at]):
                    yield at + 1, {}
            case Edge():
                if node.stands(self._text, at):
                    yield at, {}
            case Sequence(items=items):
                yield from self._one_after_the_other(items, at)
            case Choice(items=items):
                for item in items:
                    yield from self.ends(item, at)
            case Group(number=number, item=item):
                for end, kept in self.ends(item, at):
                    yield end, {**kept, number: (at, end)}
            case Star():
                yield from self._again(node, at)

    def _one_after_the_other(self, items: tuple[Node, ...], at: int) -> Iterable[_End]:
        reached: list[_End] = [(at, {})]
        for item in items:
            passed = set[int]()
            further: list[_End] = []
            for place, kept in reached:
                for end, more in self.ends(item, place):
                    if end not in passed:
                        passed.add(end)
                        further.append((end, {**kept, **more} if more else kept))
            reached = further
        return reached

    def _again(self, star: Star, at: int) -> Iterator[_End]:
        """Depth first, each place once; an end comes after what goes beyond it, or before."""
        passed = {at}
        if not star.greedy:
            yield at, {}
        waiting: list[tuple[_End, Iterator[_End]]] = [((at, {}), iter(self.ends(star.item, at)))]
        while waiting:
            here, further = waiting[-1]
            beyond = next((one for one in further if one[0] not in passed), None)
            if beyond is None:
                waiting.pop()
                if star.greedy:
                    yield here
                continue
            reached = beyond[0], {**here[1], **beyond[1]}
            passed.add(reached[0])
            if not star.greedy:
                yield reached
            waiting.append((reached, iter(self.ends(star.item, reached[0]))))


def _first_of_each(ends: Iterable[_End]) -> Iterator[_End]:
    """The preferred of those that end at one place."""
    passed = set[int]()
    for end in ends:
        if end[0] not in passed:
            passed.add(end[0])
            yield end


def _found(text: str, node: Node) -> Iterator[tuple[int, _End]]:
    """Every match from left to right that is not empty: where it begins, and its end."""
    search, at = _Search(text), 0
    while at <= len(text):
        first = next(iter(search.ends(node, at)), None)
        if first is not None and first[0] > at:
            yield at, first
            at = first[0]
        else:
            at += 1


def _matches(text: str, pattern: str, flags: str = "") -> bool | None:
    node = _node(text, pattern, flags)
    if node is None:
        return None
    search = _Search(text)
    return any(search.ends(node, at) for at in range(len(text) + 1))


def _replace(text: str, pattern: str, by: str, flags: str = "") -> str | None:
    node = _node(text, pattern, flags)
    if node is None or _Search("").ends(node, 0):
        return None
    try:
        parts = replacement(by, read(pattern, flags).groups)
    except PatternError:
        return None
    said: list[str] = []
    before = 0
    for begin, (end, kept) in _found(text, node):
        groups = {0: (begin, end), **kept}
        said.append(text[before:begin])
        said += (
            one if isinstance(one, str) else text[slice(*groups.get(one, (0, 0)))] for one in parts
        )
        before = end
    return "".join([*said, text[before:]])


def _split(text: str, pattern: str) -> tuple[Any, ...] | None:
    node = _node(text, pattern, "")
    if node is None or _Search("").ends(node, 0):
        return None
    cuts = [(begin, end) for begin, (end, _) in _found(text, node)]
    begins, ends = [0, *(end for _, end in cuts)], [*(begin for begin, _ in cuts), len(text)]
    return tuple(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def _node(text: str, pattern: str, flags: str) -> Node | None:
    try:
        return read(pattern, flags).node if len(text) <= LONGEST_TEXT else None
    except PatternError:
        return None


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "matches": _matches,
    "replace": _replace,
    "split": _split,
}

"""What an auditor may see of a sealed part: enough to check a decision, not enough to know who.

Numbers of documents and what registers are asked by are masked wherever they stand; texts too, and
every value of a concept that is sensitive. Codes, days, numbers and yes or no of other concepts
stay, because decisions hang on them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from decision_service.model import Meaning, TextType
from decision_service.release import Release

_PLACES = {"value", "display", "fact"}
"""Members of an object with a ``concept`` that show its value."""


def mask(sealed: Mapping[str, Any], subject: str, release: Release | None) -> dict[str, Any]:
    """The sealed part with everything masked that tells who.

    Args:
        subject: Whom it is about; wherever the number stands, it is masked.
        release: Says what each concept means; None if it is lost, and then every value is masked.
    """
    numbers = sorted({*_numbers(sealed), subject.partition(":")[2]} - {""}, key=len, reverse=True)
    masked: dict[str, Any] = _Mask(release, numbers).whole(sealed)
    return masked


def mask_subject(subject: str) -> str:
    """Whom an entry is about, with only the ends of the number."""
    kind, colon, number = subject.partition(":")
    return f"{kind}{colon}{_middle(number)}"


def mask_others(value: Any, own: frozenset[str] | set[str]) -> Any:  # noqa: ANN401 - JSON
    """What is recorded about somebody, with everything masked that is about other people.

    Args:
        own: Numbers of their own documents. Every other number of a document is masked wherever it
            stands, and so are the records of a list, which tell of a household or a firm.
    """
    numbers = sorted({*_numbers(value)} - own - {""}, key=len, reverse=True)

    def masked(part: Any) -> Any:  # noqa: ANN401 - JSON
        match part:
            case {"list": list(records), **rest} if not rest:
                return {"list": [_hidden(record) for record in records]}
            case Mapping():
                return {key: masked(item) for key, item in part.items()}
            case list() | tuple():
                return [masked(item) for item in part]
            case str():
                for number in numbers:
                    part = part.replace(number, _middle(number))
                return part
            case _:
                return part

    return masked(value)


def mask_account(account: str) -> str:
    """Somebody of the staff, with the first letter only."""
    return account[:1] + "*" * (len(account) - 1)


class _Mask:
    def __init__(self, release: Release | None, numbers: list[str]) -> None:
        self._release = release
        self._numbers = numbers

    def whole(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A value of no concept, with everything in it."""
        if isinstance(value, Mapping):
            concept = value.get("concept")
            return {key: self._member(key, item, concept) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.whole(item) for item in value]
        return self._without_numbers(value) if isinstance(value, str) else value

    def _member(self, key: str, item: Any, concept: object) -> Any:  # noqa: ANN401 - JSON
        if key == "content":
            return ""  # of a paper
        if key in {"answers", "values", "findings"} and isinstance(item, Mapping):
            return {name: self._held(name, value) for name, value in item.items()}
        if key in {"keys", "claimed", "reference"} or (key == "text" and isinstance(item, str)):
            return _hidden(item)
        if isinstance(concept, str) and key in _PLACES:
            return self._held(concept, item)
        return self.whole(item)

    def _held(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        """The value of a concept, or of the form's field for it."""
        meaning = self._meaning(name)
        if meaning is None or meaning.confidentiality == "sensitive":
            return _hidden(value)
        if meaning.confidentiality == "personal" and (
            isinstance(meaning.type, TextType) or isinstance(value, (list, tuple))
        ):
            return _hidden(value)
        return self.whole(value)

    def _meaning(self, name: str) -> Meaning | None:
        if self._release is None:
            return None
        concept = self._release.form.concepts.get(name, name)
        return next((m for c, m in self._release.meanings.items() if c == concept), None)

    def _without_numbers(self, text: str) -> str:
        for number in self._numbers:
            text = text.replace(number, _middle(number))
        return text


def _numbers(value: object) -> Iterator[str]:
    """The numbers of all documents in it."""
    if isinstance(value, Mapping):
        match value:
            case {"kind": str(), "number": str(number)} if number:
                yield number
            case _:
                for item in value.values():
                    yield from _numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)


def _hidden(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same form, with no value left in it."""
    if isinstance(value, Mapping):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(item) for item in value]
    return _middle(value) if isinstance(value, str) else "*"


def _middle(text: str) -> str:
    """Only the ends of a number, and of a name its first character (姓)."""
    if len(text) >= 11:
        return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}"
    return text[:1] + "*" * (len(text) - 1)

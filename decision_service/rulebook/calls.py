"""Calls of functions: which form was meant, and whether the arguments fit it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from decision_service.model import NumberType
from decision_service.rulebook import patterns
from decision_service.rulebook.agreement import as_scaled, fit, in_words, kind_in_words
from decision_service.rulebook.functions import FUNCTIONS, PATTERNED, Function, Parameter, takes
from decision_service.rulebook.source import Report
from decision_service.rulebook.tokens import Scope, Word
from decision_service.rulebook.tree import Call, Constant, Expression, Listed, is_fixed
from decision_service.rulebook.values import (
    ANY,
    AnyType,
    DaysType,
    ListOf,
    MonthsType,
    YearsAndMonths,
    duration,
)

Argument: TypeAlias = tuple[Word | None, Expression | None]
"""An argument, and the parameter that it was given by name, if it was."""


class Calls:
    """Makes calls in a scope, or reports why there is none."""

    def __init__(self, scope: Scope, report: Report) -> None:
        self._scope = scope
        self._report = report

    def made(  # noqa: PLR0911  # each return is a mistake that is possible here
        self, word: Word, arguments: Sequence[Argument]
    ) -> Expression | None:
        """The call of a function; None if the arguments do not fit, which is reported."""
        function = FUNCTIONS[str(word.value)]
        values = [value for _, value in arguments if value is not None]
        if any(name is not None for name, _ in arguments):
            placed = self._placed(function, word, arguments)
            if placed is None:
                return None
            values = placed
        elif function.gathers and values and not _is_one_list(values):
            gathered = self._gathered(values)
            if gathered is None:
                return None
            values = [gathered]
        form = function.form(len(values))
        if form is None:
            wanted = " / ".join(str(len(one)) for one in function.forms)
            self._report.add(
                "E035.count", word.at, name=word.text, found=str(len(arguments)), wanted=wanted
            )
            return None
        if function.name == "duration" and not self._scope.free:
            return self._duration(word, values[0])
        fitted = self._fitted(form, word, values)
        if fitted is None:
            return None
        patterned = function.name in PATTERNED and not self._scope.free
        if patterned and not self._is_pattern(function.name, fitted):
            return None
        types = tuple(argument.type for argument in fitted)
        free = any(isinstance(type_, AnyType) for type_ in types)
        made = Call(function.name, fitted, ANY if free else function.result(types), word.at)
        return replace(made, type=as_scaled(made))

    def alike(self, items: Sequence[Expression]) -> tuple[Expression, ...] | None:
        """The items as of the type of the first that is not written out."""
        first = next((item for item in items if not is_fixed(item)), items[0])
        fitted = [fit(item, first.type, self._report) for item in items]
        return None if None in fitted else tuple(one for one in fitted if one is not None)

    def _placed(
        self, function: Function, word: Word, arguments: Sequence[Argument]
    ) -> list[Expression] | None:
        """The arguments in the order of the form whose names they have."""
        given = {name.value: value for name, value in arguments if name is not None}
        for form in function.forms:
            names = [parameter.name for parameter in form]
            if len(given) == len(arguments) and sorted(names) == sorted(map(str, given)):
                placed = [given[name] for name in names]
                return [value for value in placed if value is not None]
        forms = " / ".join(", ".join(one.name for one in form) for form in function.forms)
        self._report.add("E035.names", word.at, name=word.text, wanted=forms)
        return None

    def _gathered(self, values: Sequence[Expression]) -> Expression | None:
        """Several arguments as one list."""
        items = tuple(values) if self._scope.free else self.alike(values)
        if items is None:
            return None
        type_ = ANY if self._scope.free else ListOf(items[0].type)
        made = Listed(items, type_, items[0].at)
        return replace(made, type=as_scaled(made))

    def _fitted(
        self, form: Sequence[Parameter], word: Word, values: Sequence[Expression]
    ) -> tuple[Expression, ...] | None:
        """The arguments, each of its kind and unit; None if one is not, which is reported."""
        fitted: list[Expression | None] = []
        whole = values[0].type if values else ANY
        for parameter, value in zip(form, values, strict=True):
            if not takes(parameter.kind, value.type):
                found, wanted = in_words(value.type), kind_in_words(parameter.kind)
                self._report.add(
                    "E035", value.at, name=word.text,
                    found=found.zh, wanted=wanted.zh, found_en=found.en, wanted_en=wanted.en,
                )  # fmt: skip
                fitted.append(None)
            elif parameter.kind == "element" and isinstance(whole, ListOf):
                fitted.append(fit(value, whole.item, self._report))
            elif parameter.kind == "list" and isinstance(whole, ListOf):
                fitted.append(fit(value, whole, self._report))
            elif parameter.unit is not None and isinstance(value.type, NumberType):
                fitted.append(fit(value, NumberType(unit=parameter.unit), self._report))
            elif parameter.unit is not None and isinstance(value.type, ListOf):
                fitted.append(fit(value, ListOf(NumberType(unit=parameter.unit)), self._report))
            else:
                fitted.append(value)
        kinds = [one.kind for one in form[:2]]
        if kinds == ["any", "any"] or (kinds == ["number"] * 2 and form[1].unit is None):
            fitted = self._same_unit(fitted)
        return None if None in fitted else tuple(one for one in fitted if one is not None)

    def _same_unit(self, fitted: list[Expression | None]) -> list[Expression | None]:
        """Two values, of which neither says its unit, must have one."""
        known = [one for one in fitted if one is not None]
        alike = self.alike(known) if len(known) == len(fitted) else None
        return [None] if alike is None else list(alike)

    def _is_pattern(self, name: str, values: Sequence[Expression]) -> bool:
        """Whether a pattern is written out and can be read, with its flags; if not, it is told."""
        pattern, *others = values[1:]
        written = [one.value for one in (pattern, *others) if isinstance(one, Constant)]
        texts = [one for one in written if isinstance(one, str)]
        if len(texts) < len(values) - 1:
            self._report.add("E035.pattern", pattern.at)
            return False
        by = texts.pop(1) if name == "replace" else ""
        try:
            read = patterns.read(*texts)
            patterns.replacement(by, read.groups)
        except patterns.PatternError as error:
            self._report.add("E101.pattern", pattern.at, what=error.zh, what_en=str(error))
            return False
        return True

    def _duration(self, word: Word, text: Expression) -> Expression | None:
        """``时长("1年6个月")``: a duration is written out in a rule file, so its kind is known."""
        match text:
            case Constant(value=str() as written):
                found = duration(written)
            case _:
                found = None
        if found is None:
            self._report.add("E101.duration", text.at)
            return None
        type_ = MonthsType() if isinstance(found, YearsAndMonths) else DaysType()
        return Constant(found, type_, word.at)


def _is_one_list(values: Sequence[Expression]) -> bool:
    """Whether a single argument is the list, or may turn out to be it."""
    return len(values) == 1 and isinstance(values[0].type, ListOf | AnyType)

"""Expressions: from one piece of text to a typed tree, or to findings."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark, Token, Tree, UnexpectedToken
from lark.lexer import Lexer

from decision_service.model import ConceptType, NumberType, Value
from decision_service.rulebook import tokens
from decision_service.rulebook.agreement import fit, refuse_more_digits
from decision_service.rulebook.builder import Builder
from decision_service.rulebook.comparisons import Tests
from decision_service.rulebook.source import Piece, Report
from decision_service.rulebook.tokens import Scope, UnreadableError, Word
from decision_service.rulebook.tree import Constant, Expression, Name, Position
from decision_service.rulebook.words import Kind

DEEPEST = 64
"""Levels that an expression may be nested; the evaluators walk it recursively."""

MOST_LOOPS = 16
"""Filters, 存在, 每个 and 逐个 in each other; the reference is Python, which has at most 20."""


def read(piece: Piece, scope: Scope, report: Report) -> Expression | None:
    """Read one expression; None if something in it is wrong, which is reported."""
    return cast("Expression | None", _read(piece, "expression", Builder(scope, report)))


def read_tests(piece: Piece, item: Name, scope: Scope, report: Report) -> Tests | None:
    """Read a cell whose column holds ``item``; None if something is wrong, which is reported."""
    builder = Builder(scope, report, item)
    return cast("Tests | None", _read(piece, "cell", builder))


def read_constant(piece: Piece, type_: ConceptType, report: Report) -> Value | None:
    """Read one value written out, of that type; None if it is not one, which is reported."""
    units = {type_.unit} - {""} if isinstance(type_, NumberType) else ()
    found = read(piece, Scope(units=units), report)
    if found is None:
        return None
    if not isinstance(found, Constant):
        report.add("E021.constant", piece.at, text=piece.text)
        return None
    match fit(found, type_, report):
        case Constant(value=bool() | Decimal() | date() | str() as value) as fitted:
            if isinstance(type_, NumberType):
                refuse_more_digits(fitted, type_.scale, report)
            return value
        case _:
            return None


# ── from words to a tree ─────────────────────────────────────────────────────────────────────────


class _Words(Lexer):
    """Hands the kinds of words that `tokens` has read to the parser, each with its place."""

    def __init__(self, _configuration: object) -> None:
        pass

    def lex(self, lexer_state: Any, _parser_state: Any = None) -> Iterator[Token]:  # noqa: ANN401  # as in lark
        for index, kind in enumerate(lexer_state):
            yield Token(kind, "", start_pos=index)


_PARSER = Lark(
    files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer=_Words,
    start=["expression", "cell"],
)


def _read(piece: Piece, start: str, builder: Builder) -> object:
    report = builder.report
    if not piece.text.strip():
        report.add("E101.empty", piece.at)
        return None
    found_before = len(report.findings)
    try:
        builder.words = tokens.read(piece, builder.scope, report)
        kinds = tuple(word.kind for word in builder.words)
        parsed = _parsed_once if len(kinds) <= _SHORT else _parsed_once.__wrapped__
        tree = parsed(kinds, start)
    except UnreadableError:
        return None
    except UnexpectedToken as error:
        if len(report.findings) == found_before:  # else an unknown word is the cause
            _explain(error, builder.words, piece, report)
        return None
    if tree is None:
        report.add("E005.depth", piece.at, most=str(DEEPEST))
        return None
    loop = None if builder.scope.free else _one_loop_too_many(tree, MOST_LOOPS)
    if loop is not None:
        report.add("E005.loops", builder.words[loop.start_pos or 0].at, most=str(MOST_LOOPS))
        return None
    return builder.whole(tree)


@lru_cache(maxsize=2048)
def _parsed_once(kinds: tuple[Kind, ...], start: str) -> "Tree[Token] | None":
    """The tree of any expression that has words of these kinds; None if it is too deep.

    The grammar knows kinds only, and a city's files say most things in a few hundred ways.

    Raises:
        UnexpectedToken: There is no such expression.
    """
    tree = _PARSER.parse(cast("str", kinds), start=start)
    return None if _is_too_deep(tree) else tree


_SHORT = 32
"""Words of an expression whose tree is worth keeping."""


def _explain(error: UnexpectedToken, words: Sequence[Word], piece: Piece, report: Report) -> None:
    """Say at which word the expression stops making sense, and what could stand there."""
    if error.token.type == "$END":
        report.add("E101.end", Position(piece.line, piece.column + len(piece.text)))
        return
    word = words[error.token.start_pos or 0]
    if "NAME" in error.expected:
        report.add("E101.operand", word.at, text=word.text)
    elif word.kind == "COMPARISON":
        report.add("E101.chain", word.at, text=word.text)
    else:
        report.add("E101.operator", word.at, text=word.text)


def _is_too_deep(tree: "Tree[Token]") -> bool:
    level: Sequence[Tree[Token]] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in node.children if isinstance(child, Tree)]
        if not level:
            return False
    return True


def _one_loop_too_many(tree: "Tree[Token]", left: int) -> Token | None:
    """Where a loop is within more others than so many; None if there is none."""
    inside = [child for child in tree.children if isinstance(child, Tree)]
    left -= sum(one.data in {"binding", "iteration"} for one in inside) + (tree.data == "filtered")
    if left < 0:
        return next(child for child in tree.children if isinstance(child, Token))
    found = (_one_loop_too_many(one, left) for one in inside)
    return next((loop for loop in found if loop is not None), None)

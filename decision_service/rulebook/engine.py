"""The rule engine, durable-rules, behind guards. Nobody else imports it.

It infers three circuits, one after the other: conditions (requirements and table rows, from facts),
tables (which row alone applies) and the verdict. What it concludes in one is a fact of the next;
what it cannot hold is computed by `interpret` for it, never by the reference.

Why each guard is there: the engine compares types as text, keeps only 32-bit hashes of names, ends
the process where memory was not initialised, and after some errors fires with the facts of the
case before. One process-wide lock: the engine never releases the interpreter anyway.
"""

import itertools
import json
import threading
import weakref
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

import durable_rules_engine  # type: ignore[import-not-found]  # a C module without stubs

from decision_service.errors import EngineError
from decision_service.model import (
    Concept,
    Facts,
    Status,
    Text,
)
from decision_service.rulebook import interpret, plain
from decision_service.rulebook.circuit import (
    Alpha,
    Circuit,
    Shard,
)
from decision_service.rulebook.inference import Conditions, Stage, Tables, Verdicts, gate, stages
from decision_service.rulebook.tree import (
    Finding,
    HitPolicy,
    Position,
    Row,
    Rulebook,
    Table,
    Verdict,
    VerdictKind,
)
from decision_service.rulebook.values import Datum, NotKnown

# ── the C module ─────────────────────────────────────────────────────────────────────────────────


class Native(Protocol):
    """What is used of the C module; a test may stand between."""

    def create_ruleset(self, name: str, rules: str, /) -> int:
        """Compile rules; the handle is of this process."""

    def delete_ruleset(self, handle: int, /) -> None:
        """Free the rules; states must have been deleted before, or their memory is lost."""

    def assert_fact(self, handle: int, fact: str, /) -> tuple[int, int]:
        """Return code and state; 0 says that some rule fired."""

    def retract_fact(self, handle: int, fact: str, /) -> tuple[int, int]:
        """Forget the fact with that id."""

    def start_action_for_state(self, handle: int, state: int, /) -> tuple[str, str] | None:
        """State and message of the first rule that fired."""

    def complete_and_start_action(self, handle: int, state: int, /) -> str | None:
        """Message of the next rule that fired; None after the last."""

    def delete_state(self, handle: int, sid: str, /) -> None:
        """Free a state; only one in which an action was started, or the process ends."""


NATIVE: Native = durable_rules_engine

_One = TypeVar("_One")

_LOCK = threading.RLock()  # while it is held, an engine can be found that nobody has any more
_SEQUENCE = itertools.count(1)
_SID = "P"
_RETRACT = f'{{"sid":"{_SID}","id":"c"}}'
_CANARY = "canary"
_MOST_CREATED = 20
"""Rule sets that one shard may give up in a process: their memory is lost (about 200 kB each)."""

_OPERATORS = {"!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class _Shard:
    """One rule set of the C module with its one state, asserted, walked and retracted each case."""

    def __init__(self, shard: Shard, native: Native) -> None:
        self._native = native
        self._aliases = shard.aliases
        self._conclusions = {
            f'{{"r{index}":{{"m":': (rule.property, rule.value)
            for index, rule in enumerate(shard.rules)
        }
        rules = {
            f"r{index}": _rule([_test(test, shard.aliases) for test in rule.term])
            for index, rule in enumerate(shard.rules)
        }
        self._rules = json.dumps(rules | {_CANARY: _rule([])})
        self._canary = f'{{"{_CANARY}":{{"m":'
        self._handle = 0
        self._created = 0
        self._warm = False
        self._create()

    def infer(self, known: Mapping[int, int]) -> Mapping[int, int]:
        """What the rules conclude from these properties, each 1 or 0.

        Raises:
            EngineError: A guard tripped; the state is renewed, so that the next case is safe.
        """
        if not self._warm:
            self._create()
        try:
            return self._checked(*self._fired(known))
        except BaseException:
            self._renew()
            raise

    def close(self) -> None:
        """Give the memory back."""
        if self._warm:
            self._warm = False
            self._native.delete_state(self._handle, _SID)
            self._native.delete_ruleset(self._handle)

    def _create(self) -> None:
        """Compile, and warm the state: to delete one in which nothing fired ends the process."""
        if self._created == _MOST_CREATED:
            raise _broken("ENGINE_WORN_OUT")
        self._created += 1
        try:
            self._handle = self._native.create_ruleset("miaopi", self._rules)
        except Exception as error:
            raise _broken("ENGINE_FAILED") from error
        self._fired({})
        self._warm = True

    def _renew(self) -> None:
        """A new state; where even that fails, the rule set is never touched again."""
        self._warm = False
        try:
            self._native.delete_state(self._handle, _SID)
            self._fired({})
        except Exception:  # noqa: BLE001  # whatever it was, the next case begins with `_create`
            return
        self._warm = True

    def _fired(self, known: Mapping[int, int]) -> tuple[str, list[str]]:
        """Assert, walk, retract; the fact as the engine got it, and a message of every firing."""
        properties = "".join(
            f',"{alias}":{known[property_]}'
            for property_, alias in self._aliases.items()
            if property_ in known
        )
        fact = f'{{"sid":"{_SID}","id":"c","_n":{next(_SEQUENCE)},"_k":1{properties}}}'
        native, handle = self._native, self._handle
        try:
            code, state = native.assert_fact(handle, fact)
            started = native.start_action_for_state(handle, state) if code == 0 else None
            messages = [started[1]] if started else []
            most = len(self._conclusions) + 1
            while messages and len(messages) <= most:
                message = native.complete_and_start_action(handle, state)
                if message is None:
                    break
                messages.append(message)
            native.retract_fact(handle, _RETRACT)
        except Exception as error:
            raise _broken("ENGINE_FAILED") from error
        if code != 0:
            raise _broken("ENGINE_RETURN_CODE", code=str(code))
        if len(messages) > most:
            raise _broken("ENGINE_RUNAWAY")
        return fact, messages

    def _checked(self, fact: str, messages: list[str]) -> Mapping[int, int]:
        """What was concluded, if every message is of this very case and no two contradict."""
        end = f"{fact}}}}}"
        concluded: dict[int, int] = {}
        canary = False
        for message in messages:
            rule = message.removesuffix(end)
            if rule == self._canary:
                canary = True
                continue
            if rule not in self._conclusions:
                raise _broken("ENGINE_FOREIGN_MESSAGE")
            property_, value = self._conclusions[rule]
            if concluded.setdefault(property_, value) != value:
                raise _broken("ENGINE_CONTRADICTION")
        if not canary:
            raise _broken("ENGINE_CANARY_SILENT")
        return concluded


def _rule(tests: list[object]) -> object:
    """A rule of durable-rules: the pulse, and every test."""
    condition = {"$and": [{"_k": 1}, *tests]} if tests else {"_k": 1}
    return {"all": [{"m": condition}]}


def _test(test: Alpha, aliases: Mapping[int, str]) -> object:
    operand = {aliases[test.property]: test.value}
    return operand if test.op == "=" else {_OPERATORS[test.op]: operand}


class _Network:
    """A circuit in the engine."""

    def __init__(self, circuit: Circuit, native: Native) -> None:
        self._strata: list[list[_Shard]] = []
        try:
            for stratum in circuit.strata():
                self._strata.append([])
                for shard in stratum:
                    self._strata[-1].append(_Shard(shard, native))
        except BaseException:
            self.close()
            raise

    def infer(self, known: Mapping[int, int]) -> Mapping[int, int]:
        """These properties and all that follows from them, stratum by stratum."""
        found = dict(known)
        for stratum in self._strata:
            concluded = [shard.infer(found) for shard in stratum]
            for one in concluded:
                for property_, value in one.items():
                    if found.setdefault(property_, value) != value:
                        raise _broken("ENGINE_CONTRADICTION")
        return found

    def close(self) -> None:
        for stratum in self._strata:
            for shard in stratum:
                shard.close()


_TOLD = {
    "ENGINE_RETURN_CODE": ("asserting a fact returned a code that is not 0", "返回码异常"),
    "ENGINE_RUNAWAY": ("more rules fired than there are", "触发的规则多于全部规则"),
    "ENGINE_FAILED": ("a call failed", "调用失败"),
    "ENGINE_FOREIGN_MESSAGE": ("a rule fired for another case", "规则因其他办件而触发"),
    "ENGINE_CONTRADICTION": ("something is both true and false", "同一结论既成立又不成立"),
    "ENGINE_CANARY_SILENT": ("the canary did not fire", "哨兵规则未触发"),
    "ENGINE_UNDECIDED": ("there is not exactly one verdict", "结论不唯一"),
    "ENGINE_WORN_OUT": ("it failed too often", "多次故障，已停用"),
    "ENGINE_CLOSED": ("it is closed", "已关闭"),
}


def _broken(reason: str, **metadata: str) -> EngineError:
    en, zh = _TOLD[reason]
    return EngineError(
        f"rule engine: {en}",
        zh=f"规则引擎故障：{zh}。本件转人工办理。",
        reason=reason,
        hint="The case is referred to a person; report the reason and the rule file to operations.",
        **metadata,
    )


# ── a rule file ──────────────────────────────────────────────────────────────────────────────────

_STATUSES = {1: Status.MET, 0: Status.NOT_MET, 2: Status.UNKNOWN}

_MOST = 400
"""Rules for one requirement or row: more cost too much on every case, and nobody can read them."""

_MOST_OF_ALL = 4_000
"""Rules for all conditions of a file: a hundred requirements and ten tables of a hundred rows take
about as many, and each costs a microsecond a case."""


def limits(book: Rulebook) -> tuple[Finding, ...]:
    """Find conditions too large for the engine (E080); all else fits by construction."""
    sizes = [size for stage in stages(book) for size in Conditions(stage).sizes]
    found = [
        _too_large(
            at,
            zh=f"条件过于复杂：需要 {size} 条引擎规则，上限为 {_MOST} 条",
            en=f"condition is too complex: it takes {size} engine rules of at most {_MOST}",
            hint_zh="请把其中一部分写成推算值，或者拆成几个条件。",
            hint_en="Write a part of it as a derived value, or split it into requirements.",
        )
        for at, size in sizes
        if size > _MOST
    ]
    total = sum(size for _, size in sizes)
    if total > _MOST_OF_ALL:
        found.append(
            _too_large(
                Position(1, 1),
                zh=f"文件过大：共需 {total} 条引擎规则，上限为 {_MOST_OF_ALL} 条",
                en=f"file is too large: it takes {total} engine rules of at most {_MOST_OF_ALL}",
                hint_zh="请减少决策表的行和栏，或者分成几个事项。",
                hint_en="Have fewer rows or columns in its tables, or split it into matters.",
            )
        )
    return tuple(found)


def _too_large(at: Position, *, zh: str, en: str, hint_zh: str, hint_en: str) -> Finding:
    return Finding(
        code="E080",
        at=at,
        message=Text(zh=zh, en=en),
        hint=Text(zh=hint_zh, en=hint_en),
    )


def _give_back(parts: "Iterable[_Stage | _Network]") -> None:
    """Free what the C module holds, which no garbage collector sees."""
    with _LOCK:
        for part in parts:
            part.close()


class Engine:
    """A rule file in the rule engine.

    Raises:
        EngineError: The engine refuses the rules; `limits` says beforehand which are too large.
    """

    def __init__(self, book: Rulebook, native: Native = NATIVE) -> None:
        self._book = book
        self._stages: list[_Stage] = []
        self._last: _Network | None = None
        self._open = True
        self._verdicts = Verdicts(book)
        with _LOCK:
            try:
                for stage in stages(book):
                    self._stages.append(_Stage(stage, book, native))
                self._last = _Network(self._verdicts.circuit, native)
            except BaseException:
                _give_back(self._stages)
                raise
        self._given_back = weakref.finalize(self, _give_back, [*self._stages, self._last])
        self._given_back.atexit = False

    def verdict(self, facts: Facts) -> Verdict:
        """Say what the rule file says about these facts.

        Raises:
            EngineError: A guard tripped, or it is closed; no result leaves then.
        """
        book = self._book
        values: dict[Concept, Datum | NotKnown] = dict(interpret.given(book, facts))
        statuses: dict[str, int] = {}
        rows: dict[str, str] = {}
        with _LOCK:
            if not self._open:
                raise _broken("ENGINE_CLOSED")
            for stage in self._stages:
                values |= stage.computed(values)
                became, applying = stage.infer(values)
                statuses |= became
                for table, applies in applying:
                    rows[table.name] = interpret.numbers(applies)
                    values |= interpret.columns(table, applies)
            outputs = [interpret.granted(output, values, book) for output in book.outputs]
            known = [not isinstance(value, NotKnown) for value in outputs]
            kind = self._kind([statuses[one.id] for one in book.requirements], known)
        return Verdict(
            kind=kind,
            statuses=tuple((one.id, _STATUSES[statuses[one.id]]) for one in book.requirements),
            outputs=tuple((o.id, value) for o, value in zip(book.outputs, outputs, strict=True)),
            rows=tuple((table.name, rows[table.name]) for table in book.tables),
        )

    def close(self) -> None:
        """Give its memory back now, not when nobody has it any more; later verdicts are errors."""
        with _LOCK:
            self._open = False
            self._given_back()

    def _kind(self, statuses: list[int], known: list[bool]) -> VerdictKind:
        facts = dict(zip(self._verdicts.requirements, statuses, strict=True))
        facts |= zip(self._verdicts.outputs, map(int, known), strict=True)
        found = self._last.infer(facts) if self._last else {}
        kind = _only(k for one, k in self._verdicts.kinds.items() if _settled(found, one))
        if kind is None:
            raise _broken("ENGINE_UNDECIDED")
        return kind


class _Stage:
    """Requirements and tables in the engine, as far as they read no table of a later stage."""

    def __init__(self, stage: Stage, book: Rulebook, native: Native) -> None:
        self._book, self._stage = book, stage
        self._conditions, self._tables = Conditions(stage), Tables(stage)
        self._networks = [_Network(self._conditions.circuit, native)]
        try:
            self._networks.append(_Network(self._tables.circuit, native))
        except BaseException:
            self.close()
            raise

    def computed(self, values: plain.Values) -> plain.Values:
        """The derived values that the stages before were awaited for."""
        found = dict(values)
        for derived in self._stage.derived:
            found[derived.id] = plain.evaluate(derived.expression, found, self._book)
        return found

    def infer(
        self, values: plain.Values
    ) -> tuple[dict[str, int], list[tuple[Table, tuple[Row, ...] | None]]]:
        """Status of each requirement (1 met, 0 not, 2 unknown), and the rows that count."""
        found = self._networks[0].infer(self._coded(values))
        statuses = {
            requirement.id: found.get(property_, 2)
            for requirement, property_ in zip(
                self._stage.requirements, self._conditions.requirements, strict=True
            )
        }
        return statuses, list(zip(self._stage.tables, self._rows(found), strict=True))

    def close(self) -> None:
        for network in self._networks:
            network.close()

    def _coded(self, values: plain.Values) -> Mapping[int, int]:
        known = {}
        for one in self._conditions.inputs:
            value = plain.evaluate(one.expression, values, self._book)
            if not isinstance(value, NotKnown):
                known[one.property] = one.code(value)
        return known

    def _rows(self, found: Mapping[int, int]) -> list[tuple[Row, ...] | None]:
        known: dict[int, int] = {}
        for table, concluded, (gate_, rows) in zip(
            self._stage.tables, self._conditions.rows, self._tables.tables, strict=True
        ):
            statuses = [found.get(property_, 2) for property_ in concluded]
            known |= zip((row for row, _ in rows), statuses, strict=True)
            known[gate_] = gate(table.policy, statuses)
        applies = self._networks[1].infer(known)
        return [
            _counted(
                table.policy,
                tuple(
                    row
                    for row, (_, counts) in zip(table.rows, rows, strict=True)
                    if applies.get(counts) == 1
                ),
                known[gate_],
            )
            for table, (gate_, rows) in zip(self._stage.tables, self._tables.tables, strict=True)
        ]


def _counted(policy: HitPolicy, rows: tuple[Row, ...], gate_: int) -> tuple[Row, ...] | None:
    """The rows that the engine says apply; None where they leave the table open."""
    if policy.collects:
        return None if gate_ else rows
    return None if _only(rows) is None else rows


def _settled(found: Mapping[int, int], property_: int) -> bool:
    if property_ not in found:
        raise _broken("ENGINE_UNDECIDED")
    return found[property_] == 1


def _only(found: Iterable[_One]) -> _One | None:
    match list(found):
        case []:
            return None
        case [one]:
            return one
        case _:
            raise _broken("ENGINE_UNDECIDED")

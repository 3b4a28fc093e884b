"""An answer that is a list, as rows of a view or of a file: all of it is known, or nothing."""
# ruff: noqa: S608 - the statements are made of this file's own constants

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pytest

from decision_service.errors import InvalidPublicationError
from decision_service.identifiers import resident_check
from decision_service.model import CaseId, Evidence, EvidenceStatus, EvidenceType, MatterId, Query
from evidence_adapters import gateway, intake, registry
from evidence_adapters.intake import Order, Report
from evidence_adapters.register import Register
from evidence_adapters.rows import MOST_ROWS
from evidence_adapters.sandbox import front_end
from tests.postgres import Postgres

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
PERSON, ANOTHER, NOBODY = (
    first + resident_check(first)
    for first in ("99000019501201001", "99000019551001004", "99000019490504020")
)
MONTHS = EvidenceType("months_register")
ASKED = {
    "sqlite": '{ view = "v_jf", where = { sfzh = "id_number" }, list = "jf", numbered = "xh" }',
    "file": '{ where = { sfzh = "id_number" }, batch = { format = "csv", may_shrink_by = 100, '
    'wrong_rows = 3 }, list = "jf", numbered = "xh" }',
}
ASKED["postgresql"] = ASKED["sqlite"]

FILE = """
key = "months_register"
zh = "缴费明细"
en = "payments by month"
owner = {{ zh = "社保", en = "insurance" }}
transport = "{transport}"
purpose = "eligibility"
narrowest_question = {{ zh = "哪些月份已缴费？", en = "which months are paid for?" }}
complete = {complete}
request = {asked}

[normalise]
sfzh = {{ type = "string", coerce = "resident_id", rename = "id_number", required = true }}
cbzt = {{ type = "string", allowed = ["1", "2"], rename = "state", required = true }}
gxsj = {{ type = "datetime", coerce = "cn_datetime", rename = "as_of", required = true }}

[normalise.jf]
type = "list"
rename = "months"
required = true

[normalise.jf.columns]
ny = {{ type = "date", coerce = "cn_date", rename = "month", required = true }}
je = {{ type = "number", coerce = "number", rename = "amount", nullable = true }}

[concepts."applicant.insured"]
field = "state"
values = {{ 1 = true, 2 = false }}

[concepts."applicant.months"]
field = "months"
{absent}

[concepts."applicant.months".columns.month]
field = "month"

[concepts."applicant.months".columns.amount]
field = "amount"
"""

Row: TypeAlias = tuple[str | None, ...]
COLUMNS = ("sfzh", "cbzt", "gxsj", "xh", "ny", "je")


def row(
    number: str | None, month: str | None = None, amount: str | None = None, **other: str
) -> Row:
    said = {"sfzh": PERSON, "cbzt": "1", "gxsj": "2026-03-01 10:00:00", **other}
    return (said["sfzh"], said["cbzt"], said["gxsj"], number, month, amount)


def text(transport: str, *, complete: bool = True) -> str:
    return FILE.format(
        transport="file" if transport == "file" else "sql",
        complete=str(complete).lower(),
        asked=ASKED[transport],
        absent="absent = []" if complete else "",
    )


def load(folder: Path, said: str) -> Register:
    (folder / "registers").mkdir(exist_ok=True)
    (folder / "registers" / f"{MONTHS}.toml").write_text(said, encoding="utf-8")
    return registry.load(folder / "registers")[MONTHS]


def put(folder: Path, register: Register, rows: Iterable[Row]) -> Report:
    """The owner's file of the night, read by the service."""
    drop, batches = folder / "drop", folder / "batches"
    for made in (drop, batches):
        made.mkdir(exist_ok=True)
    written = io.StringIO(newline="")
    lines = [["" if cell is None else cell for cell in one] for one in rows]
    csv.writer(written).writerows([COLUMNS, *lines])
    content = written.getvalue().encode()
    (drop / "jf.csv").write_bytes(content)
    manifest = {
        "file": "jf.csv",
        "batch": "1",
        "as_of": "2026-03-01 10:00:00",
        "rows": len(lines),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (drop / "jf.json").write_text(json.dumps(manifest), encoding="utf-8")
    target = batches / f"{MONTHS}.sqlite"
    return intake.take(Order.of(register, drop=drop, target=target, now=NOW))


def script(rows: Iterable[Row]) -> str:
    filled = ", ".join(
        f"({', '.join('NULL' if cell is None else repr(cell) for cell in one)})" for one in rows
    )
    return (
        f"CREATE TABLE v_jf ({', '.join(f'{name} text' for name in COLUMNS)});"
        f"INSERT INTO v_jf VALUES {filled};"
    )


Ask: TypeAlias = Callable[..., Evidence]


@pytest.fixture(params=["sqlite", "postgresql", "file"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """Has the register hold rows, asks it once, and tells what came."""
    way = str(request.param)

    def asked(
        rows: Iterable[Row], id_number: str = PERSON, *, said: str = "", complete: bool = True
    ) -> Evidence:
        register = load(tmp_path, said or text(way, complete=complete))
        # Whoever is asked about, others are in it, too.
        rows = [*rows, row("1", "20260101", "9", sfzh=ANOTHER)]
        if way == "file":
            report = put(tmp_path, register, rows)
            assert report.taken is not None, report.refused
            address = f"file://{tmp_path / 'unmounted'}"
        elif way == "sqlite":
            front_end.fill(tmp_path / "city.sqlite", [script(rows)])
            address = f"sqlite://{tmp_path / 'city.sqlite'}"
        else:
            server: Postgres = request.getfixturevalue("postgres")
            address = server.new_database()
            server.run(script(rows), address.partition("@/")[2].partition("?")[0])
        return asyncio.run(_put(register, address, id_number, tmp_path / "batches"))

    return asked


async def _put(register: Register, address: str, id_number: str, batches: Path) -> Evidence:
    async with gateway.connect(
        {MONTHS: register}, {MONTHS: address}, clock=lambda: NOW, batches=batches, look_every_s=None
    ) as sources:
        query = Query(
            query_id="q-1",
            evidence_type=MONTHS,
            about="applicant",
            keys={"id_number": id_number},
            matter=MatterId("residence_permit"),
            case_id=CaseId("c-1"),
            purpose="eligibility",
            legal_basis="consent 1",
            filing_date=NOW.date(),
        )
        deadline = asyncio.get_running_loop().time() + 10
        evidence = await sources[MONTHS].fetch(query, deadline=deadline)
    assert id_number not in evidence.detail
    return evidence


JANUARY = {"month": date(2026, 1, 1), "amount": Decimal("1280.50")}
FEBRUARY = {"month": date(2026, 2, 1), "amount": Decimal("1280.51")}


def test_several_rows_are_one_answer_in_the_order_of_their_numbers(ask: Ask) -> None:
    found = ask([row("2", "20260201", "1280.51"), row("1", "20260101", "1280.50")])

    assert (found.status, found.detail) == (EvidenceStatus.MATCH, "")
    assert found.values == {"applicant.insured": True, "applicant.months": (JANUARY, FEBRUARY)}
    assert found.as_of == NOW


def test_an_empty_cell_of_a_list_is_not_known_and_the_others_are(ask: Ask) -> None:
    found = ask([row("1", "20260101")])

    assert found.values["applicant.months"] == ({"month": date(2026, 1, 1)},)  # type: ignore[index]


def test_a_record_with_an_empty_list_is_a_match(ask: Ask) -> None:
    found = ask([row(None, cbzt="2")])

    assert (found.status, found.detail) == (EvidenceStatus.MATCH, "")
    assert found.values == {"applicant.insured": False, "applicant.months": ()}


@pytest.mark.parametrize(
    ("complete", "status", "values"),
    [
        (True, EvidenceStatus.NO_RECORD_AUTHORITATIVE, {"applicant.months": ()}),
        (False, EvidenceStatus.NO_RECORD_INCONCLUSIVE, {}),
    ],
)
def test_no_row_is_an_empty_list_only_where_the_register_is_complete(
    ask: Ask, *, complete: bool, status: EvidenceStatus, values: dict[str, object]
) -> None:
    found = ask([row("1", "20260101")], NOBODY, complete=complete)

    assert (found.status, found.values) == (status, values)


@pytest.mark.parametrize(
    ("rows", "status", "detail"),
    [
        pytest.param(
            [row("1", "20260101"), row("3", "20260301")],
            EvidenceStatus.MALFORMED,
            "a row of the list is missing",
            id="one is missing",
        ),
        pytest.param(
            [row("2", "20260201")],
            EvidenceStatus.MALFORMED,
            "a row of the list is missing",
            id="the first is missing",
        ),
        pytest.param(
            [row("1", "20260101"), row("1", "20260201")],
            EvidenceStatus.AMBIGUOUS,
            "rows of more than one record",
            id="a number twice",
        ),
        pytest.param(
            [row("1", "20260101"), row("2", "20260201", cbzt="2")],
            EvidenceStatus.AMBIGUOUS,
            "rows of more than one record",
            id="two records",
        ),
        pytest.param(
            [row(None), row("1", "20260101")],
            EvidenceStatus.MALFORMED,
            "a row of the list is missing",
            id="empty, and not",
        ),
        pytest.param(
            [row(None, "20260101")],
            EvidenceStatus.MALFORMED,
            "`xh` is not the number of a row",
            id="one without its number",
        ),
        pytest.param(
            [row("0", "20260101")],
            EvidenceStatus.MALFORMED,
            "`xh` is not the number of a row",
            id="a number below one",
        ),
        pytest.param(
            [row("1.0", "20260101")],
            EvidenceStatus.MALFORMED,
            "`xh` is not the number of a row",
            id="a fraction",
        ),
        pytest.param(
            [row("1", "20260101"), row("2", "20261301")],
            EvidenceStatus.MALFORMED,
            "off contract in `jf`",
            id="one is off contract",
        ),
        pytest.param(
            [row("1", "20260101", sfzh=NOBODY)],
            EvidenceStatus.NO_RECORD_AUTHORITATIVE,
            "",
            id="another person's",
        ),
    ],
)
def test_a_list_that_may_not_be_whole_is_not_known(
    ask: Ask, rows: list[Row], status: EvidenceStatus, detail: str
) -> None:
    found = ask(rows)

    assert (found.status, found.detail) == (status, detail)
    assert "applicant.insured" not in found.values
    assert not found.values.get("applicant.months", ())  # type: ignore[arg-type]


def test_a_list_that_is_longer_than_anybodys_is_not_read(ask: Ask) -> None:
    found = ask([row(str(place + 1), "20260101") for place in range(MOST_ROWS + 1)])

    assert (found.status, found.detail) == (
        EvidenceStatus.MALFORMED,
        f"more than {MOST_ROWS} rows",
    )


def test_a_list_of_more_bytes_than_the_contract_allows_is_not_read(
    ask: Ask, request: pytest.FixtureRequest
) -> None:
    said = text(request.node.callspec.params["ask"])
    found = ask(
        [row(str(place + 1), "20260101") for place in range(100)],
        said=said.replace("complete = true", "complete = true\nmax_bytes = 2048"),
    )

    assert (found.status, found.detail) == (
        EvidenceStatus.MALFORMED,
        "the answer is longer than the contract allows",
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([row("1", "20260101"), row("3", "20260301")], id="one is missing"),
        pytest.param([row("1", "20260101"), row("1", "20260201")], id="a number twice"),
        pytest.param([row("1", "20260101"), row("2", "20260201", cbzt="2")], id="two records"),
        pytest.param([row(None), row("1", "20260101")], id="empty, and not"),
        pytest.param([row("2", "20260201")], id="the first is missing"),
    ],
)
def test_a_file_in_which_a_list_is_not_whole_is_refused(tmp_path: Path, rows: list[Row]) -> None:
    register = load(tmp_path, text("file").replace(", wrong_rows = 3", ""))
    whole = [row("1", "20260101", sfzh=ANOTHER), row("2", "20260201", sfzh=ANOTHER)]

    (refused,) = put(tmp_path, register, [*whole, *rows]).refused
    report = put(tmp_path, register, whole)

    told = f"{len(rows)} rows of 1 keys are not each a record with all its list"
    assert refused.faults == (told,)
    assert report.taken is not None
    assert report.taken.wrong_rows == 0


REFUSED = [
    ('list = "jf", ', "", "`list` and `numbered` are nothing without each other"),
    (', numbered = "xh"', "", "`list` and `numbered` are nothing without each other"),
    ('list = "jf"', 'list = "cbzt"', "`request.list`: no list of `normalise` is called `cbzt`"),
    ('list = "jf"', 'list = "mx"', "`normalise.jf`: a row has no place for a list"),
    ('numbered = "xh"', 'numbered = "ny"', "`request.numbered`: the column `ny` holds something"),
    ('numbered = "xh"', 'numbered = "sfzh"', "`request.numbered`: the column `sfzh` holds"),
    ("\nny = {", "\ncbzt = {", "`normalise.jf`: the record has a column `cbzt`, too"),
    ('{ sfzh = "id_number" }', '{ jf = "id_number" }', "`request.where`: `jf` is a list, not"),
    (', list = "jf"', ', status = "jf", list = "jf"', "`request.status`: `jf` is a list, not a"),
]


@pytest.mark.parametrize(("old", "new", "fault"), REFUSED)
@pytest.mark.parametrize("transport", ["sqlite", "file"])
def test_a_register_file_whose_list_could_not_be_rows_is_refused(
    tmp_path: Path, transport: str, old: str, new: str, fault: str
) -> None:
    said = text(transport)
    assert old in said
    with pytest.raises(InvalidPublicationError) as caught:
        load(tmp_path, said.replace(old, new))

    assert fault in str(caught.value)


def test_a_list_as_rows_means_nothing_to_an_answer_over_http(tmp_path: Path) -> None:
    known = (registry.PACKAGED / "bar_register.toml").read_text(encoding="utf-8")
    (tmp_path / "bar_register.toml").write_text(
        known.replace('method = "POST"', 'method = "POST"\nlist = "限制事项"\nnumbered = "xh"'),
        encoding="utf-8",
    )
    with pytest.raises(InvalidPublicationError) as caught:
        registry.load(tmp_path)

    assert "`list` means nothing to a register of transport http" in str(caught.value)

"""A list that comes as rows is what HTTP would have sent, or is not known; never a part of it."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_service.model import CaseId, EvidenceStatus, MatterId, Query
from evidence_adapters import intake, rows
from evidence_adapters.guard import FaultError
from evidence_adapters.normalise import Reader, Reading, key_of
from evidence_adapters.register import Register
from tests.conformance.test_adapters_lists import (
    ANOTHER,
    COLUMNS,
    MONTHS,
    NOW,
    PERSON,
    Row,
    load,
    put,
    row,
    text,
)

LISTS = st.lists(
    st.tuples(
        st.integers(1, 12).map(lambda month: f"2025{month:02d}01"),
        st.none() | st.integers(0, 10**6).map(lambda fen: f"{fen / 100:.2f}"),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Register:
    return load(tmp_path_factory.mktemp("one"), text("sqlite"))


def told(register: Register, found: list[Row], id_number: str = PERSON) -> Reading:
    """What the rows mean, by the way that every answer goes."""
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
    lines = [rows.line(dict(zip(COLUMNS, one, strict=True))) for one in found]
    try:
        body = rows.answer(register, query, lines, as_of=NOW)
    except FaultError as fault:
        return Reading(status=fault.status, detail=fault.detail)
    return Reader(register).read(query, body)


def as_rows(entries: list[tuple[str, str | None]]) -> list[Row]:
    numbered = [row(str(place), *entry) for place, entry in enumerate(entries, 1)]
    return numbered or [row(None)]


@given(entries=LISTS, data=st.data())
def test_the_order_of_the_rows_says_nothing_and_their_numbers_all(
    register: Register, entries: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(as_rows(entries)))
    reading = told(register, shuffled)

    assert reading == told(register, as_rows(entries))
    assert reading.status is EvidenceStatus.MATCH
    listed = reading.values["applicant.months"]  # type: ignore[index]
    assert isinstance(listed, tuple)
    assert [
        (f"{one['month']:%Y%m%d}", str(one["amount"]) if "amount" in one else None)
        for one in listed
    ] == entries


@given(entries=LISTS.filter(bool), data=st.data())
def test_a_row_too_few_between_two_or_one_too_many_is_no_list(
    register: Register, entries: list[tuple[str, str | None]], data: st.DataObject
) -> None:
    """Only the end of a list can be lost unseen; of a file, the manifest sees that as well."""
    whole = as_rows(entries)
    spoilt = list(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["lost", "twice", "unnumbered", "another record"])):
        case "lost" if place < len(whole) - 1:
            del spoilt[place]
        case "unnumbered":
            spoilt[place] = (*spoilt[place][:3], None, *spoilt[place][4:])
        case "another record":
            spoilt.append(row(str(len(whole) + 1), "20250101", cbzt="2"))
        case _:
            spoilt.append(spoilt[place])
    reading = told(register, spoilt)

    assert reading.status in {EvidenceStatus.MALFORMED, EvidenceStatus.AMBIGUOUS}
    assert reading.values == {}


NUMBERS = st.sampled_from([None, "0", "1", "2", "3", "x"])
ROWS = st.lists(
    st.builds(
        lambda number, month, state, who: row(number, month, sfzh=who, cbzt=state),
        NUMBERS,
        st.sampled_from([None, "20250101", "20250201"]),
        st.sampled_from(["1", "1", "1", "2"]),
        st.sampled_from([PERSON, ANOTHER]),
    ),
    min_size=1,
    max_size=5,
)


@given(found=ROWS)
def test_a_file_is_taken_exactly_if_everybody_in_it_is_known(
    register: Register, tmp_path_factory: pytest.TempPathFactory, found: list[Row]
) -> None:
    """What reads a file and what reads an answer agree on what a whole list is."""
    folder = tmp_path_factory.getbasetemp() / "files"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    by_file = load(folder, text("file").replace(", wrong_rows = 3", ""))
    report = put(folder, by_file, found)
    about = {who: [one for one in found if one[0] == who] for who in {one[0] for one in found}}
    readings = {who: told(register, some, str(who)) for who, some in about.items()}

    all_known = all(one.status is EvidenceStatus.MATCH for one in readings.values())
    assert (report.taken is not None) == all_known, (report.refused, readings)
    if report.taken is not None:
        target = folder / "batches" / f"{MONTHS}.sqlite"
        for who, some in about.items():
            with intake.open_batch(target) as connection:
                lines = intake.lines_of(connection, key_of([str(who)]))
            connection.close()
            assert len(lines) == len(some)

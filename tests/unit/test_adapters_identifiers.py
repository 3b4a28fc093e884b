"""GB 11643 numbers: the vectors of the field study, and what makes a number none."""

import pytest

from evidence_adapters.identifiers import check_digit, resident_id_is_valid


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("11010519491231002X", id="the standard's own example"),
        pytest.param("990000195012010014", id="born 1950-12-01"),
        pytest.param("990000193012010023", id="born 1930-12-01"),
        pytest.param("990000200010150041", id="born 2000-10-15"),
        pytest.param("990000192002290039", id="born on a leap day"),
        pytest.param("99000019551001005X", id="check digit X"),
    ],
)
def test_numbers_that_can_have_been_given_are_valid(number: str) -> None:
    assert resident_id_is_valid(number)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("990000192302290030", id="right check digit, no such day"),
        pytest.param("990000195012010013", id="wrong check digit"),
        pytest.param("99000019551001005x", id="a small x"),
        pytest.param("990000195012010014\n", id="a line end after it"),
        pytest.param("99000019501201001", id="seventeen characters"),
        pytest.param("990000501201001", id="the fifteen digits of before 1999"),
        pytest.param("９９００００１９５０１２０１００１４", id="full-width digits"),
        pytest.param("99000000000000000" + check_digit("99000000000000000"), id="the year 0"),
        pytest.param("", id="nothing"),
    ],
)
def test_numbers_that_cannot_have_been_given_are_not(number: str) -> None:
    assert not resident_id_is_valid(number)

"""GB 11643 and GB 32100 numbers: vectors of the standards, and what makes a number none."""

import pytest

from decision_service.identifiers import (
    organisation_check,
    organisation_code_is_valid,
    resident_check,
    resident_id_is_valid,
)


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
        pytest.param("99000000000000000" + resident_check("99000000000000000"), id="the year 0"),
        pytest.param("", id="nothing"),
    ],
)
def test_numbers_that_cannot_have_been_given_are_not(number: str) -> None:
    assert not resident_id_is_valid(number)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("11440300007542195T", id="an organ of the state"),
        pytest.param("11440100007482575H", id="another"),
        pytest.param("115113010833722043", id="digits alone"),
        pytest.param("91620100710338815H", id="a firm"),
        pytest.param("91999999MA00000154", id="a firm that never was"),
        pytest.param("N2990000MF0000001" + organisation_check("N2990000MF0000001"), id="rural"),
    ],
)
def test_codes_that_can_have_been_given_are_valid(number: str) -> None:
    assert organisation_code_is_valid(number)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("91620100710338815J", id="wrong check character"),
        pytest.param("91620100710338851H", id="two digits changed over"),
        pytest.param("91620100710338815h", id="a small letter"),
        pytest.param("91620100710338815H\n", id="a line end after it"),
        pytest.param("9162 0100 7103 3881 5H", id="blanks between"),
        pytest.param("91620100710338815", id="seventeen characters"),
        pytest.param("71033881-5", id="an organisation code of before 2015"),
        pytest.param("440301103097413", id="a registration number of before 2015"),
        pytest.param("9199999OMA0000015I", id="letters that are misread"),
        pytest.param("９１６２０１００７１０３３８８１５Ｈ", id="full-width digits"),
        pytest.param("", id="nothing"),
    ],
)
def test_codes_that_cannot_have_been_given_are_not(number: str) -> None:
    assert not organisation_code_is_valid(number)

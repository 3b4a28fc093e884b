"""The people of the sandbox: nobody real, everybody once, and the cast that tests need."""

from collections import Counter
from datetime import date

import pytest

from decision_service.identifiers import resident_check, resident_id_is_valid
from evidence_adapters.sandbox import City

TODAY = date(2026, 3, 1)


def test_ten_thousand_people_have_valid_numbers_of_their_own_at_no_real_place() -> None:
    numbers = [person.id_number for person in City(3)]

    assert len(numbers) == len(set(numbers)) == len(City(3)) == 10_000
    assert all(resident_id_is_valid(number) for number in numbers)
    assert all(number.startswith("990000") for number in numbers)


def test_the_number_says_when_a_person_was_born() -> None:
    for person in City(3):
        assert person.id_number[6:14] == f"{person.birth_date:%Y%m%d}"


def test_people_are_of_every_age_and_every_kind() -> None:
    people = list(City(3))
    decades = Counter(person.birth_date.year // 10 for person in people)

    assert min(person.birth_date for person in people).year == 1920
    assert max(person.birth_date for person in people).year == 2025
    assert all(decades[decade] > 500 for decade in range(192, 202))
    for kind in (
        sum(person.death_date is not None for person in people),
        sum(person.in_payment for person in people),
        sum(person.account == "another" for person in people),
        sum(bool(person.library_card) for person in people),
        sum(person.items_outstanding > 0 for person in people),
        sum(person.disputed for person in people),
        sum(person.hukou_place.startswith("4403") for person in people),
    ):
        assert 10 < kind < 9_000


def test_the_registers_cannot_contradict_each_other_about_a_person() -> None:
    for person in City(3):
        if person.in_payment:
            assert person.death_date is None
            assert person.hukou_place.startswith("4403")
            assert person.birth_date.year <= 1955
        if person.items_outstanding:
            assert person.library_card
        if person.death_date is not None:
            assert person.death_date > person.birth_date


def test_everybody_is_found_by_number_and_nobody_else_is() -> None:
    city = City(3)

    assert all(city.find(person.id_number) == person for person in city)
    assert all(city.find(member.id_number) == member for member in city.cast(TODAY).values())
    nobody = "99000019500101999"
    assert city.find(nobody + resident_check(nobody)) is None
    assert city.find("11010519491231002X") is None
    assert city.find("990000192302290030") is None
    assert city.find("") is None


@pytest.mark.parametrize("number", [-1, 10_000])
def test_there_is_no_person_of_a_number_outside(number: int) -> None:
    with pytest.raises(IndexError):
        City(3).person(number)


def test_another_seed_is_another_city() -> None:
    assert [City(1).person(n) for n in range(20)] != [City(2).person(n) for n in range(20)]


def test_a_person_stays_the_same_from_version_to_version() -> None:
    """Demonstrations and recorded cases name these numbers: they must mean the same for ever."""
    assert City(755).person(0).id_number == "990000202005271008"
    assert City(755).person(9_999).id_number == "990000202112111990"


def test_the_cast_has_the_numbers_of_the_field_study() -> None:
    cast = City(3).cast(TODAY)

    assert cast["aged_75"].id_number == "990000195012010014"
    assert cast["aged_95"].id_number == "990000193012010023"
    assert cast["leap_day_born"].id_number == "990000192002290039"
    assert cast["young_adult"].id_number == "990000200010150041"
    assert cast["check_digit_x"].id_number == "99000019551001005X"


def test_the_cast_is_what_its_names_say() -> None:
    cast = City(3).cast(TODAY)

    assert cast["seventieth_birthday_today"].birth_date == date(1956, 3, 1)
    assert cast["one_day_short_of_seventy"].birth_date == date(1956, 3, 2)
    assert cast["eightieth_birthday_today"].birth_date == date(1946, 3, 1)
    assert cast["last_day_of_79"].birth_date == date(1946, 3, 2)
    assert cast["ninetieth_birthday_today"].birth_date == date(1936, 3, 1)
    assert cast["hundredth_birthday_today"].birth_date == date(1926, 3, 1)
    assert cast["centenarian"].birth_date < date(1926, 3, 1)
    assert cast["child"].birth_date > date(2008, 3, 1)
    assert not cast["outside_hukou"].hukou_place.startswith("4403")
    assert cast["deceased"].death_date is not None
    assert cast["already_in_payment"].in_payment
    assert cast["account_of_another"].account == "another"
    assert cast["without_card"].account == "none"
    assert cast["library_holder"].library_card
    assert cast["library_outstanding"].items_outstanding == 3
    assert cast["disputed"].disputed
    assert len({member.id_number for member in cast.values()}) == len(cast)


def test_on_a_leap_day_the_birthday_of_a_common_year_was_the_day_before() -> None:
    cast = City(3).cast(date(2028, 2, 29))

    assert cast["seventieth_birthday_today"].birth_date == date(1958, 2, 28)
    assert cast["eightieth_birthday_today"].birth_date == date(1948, 2, 29)

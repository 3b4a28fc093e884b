"""The sandbox's drivers: nothing that one register says is denied by another."""

from datetime import date

import pytest

from evidence_adapters.sandbox import City, Drivers
from evidence_adapters.sandbox.drivers import Ago

CITY = City(3)
DRIVERS = Drivers(CITY)


def test_the_dead_and_the_young_drive_nothing() -> None:
    for person in CITY:
        driver = DRIVERS.of(person)
        if person.death_date is not None or person.birth_date.year > 2007:
            assert (driver.licence, driver.offences, driver.taxi) == (None,) * 3
        if driver.licence is not None and driver.licence.first_issued is not None:
            assert isinstance(driver.licence.first_issued, date)
            assert driver.licence.first_issued.year - person.birth_date.year >= 18
        if driver.taxi is not None:
            assert driver.licence is not None


def test_drivers_are_of_every_kind() -> None:
    drivers = [DRIVERS.of(person) for person in CITY]
    licences = [driver.licence for driver in drivers if driver.licence is not None]
    offences = [driver.offences for driver in drivers if driver.offences is not None]
    files = [driver.taxi for driver in drivers if driver.taxi is not None]

    for kind in (
        *(sum(one.vehicle_class == letter for one in licences) for letter in ("C1", "C2", "D")),
        sum(one.state != "A" for one in licences),
        sum(one.first_issued is None for one in licences),
        sum(one.highest_points >= 12 for one in licences),
        sum(one.drink_driving for one in licences),
        *(sum(getattr(one, kind) for one in offences) for kind in ("drug_use", "violent_crime")),
        sum(one.of_namesake for one in offences),
        sum(one.exam == "PASSED" for one in files),
        sum(one.revoked is not None for one in files),
    ):
        assert 10 < kind < 9_000


def test_a_driver_follows_from_the_seed_and_the_person_and_the_cast_is_everywhere_the_same() -> (
    None
):
    person = CITY.person(5_000)
    cast = DRIVERS.cast()

    assert Drivers(City(3)).of(person) == DRIVERS.of(person)
    assert [Drivers(City(4)).of(one) for one in CITY] != [DRIVERS.of(one) for one in CITY]
    assert Drivers(City(4)).cast() == cast
    assert len({member.id_number for member in cast.values()}) == len(cast)
    assert all(CITY.find(member.id_number) == member for member in cast.values())
    assert cast["driver"].hukou_place == "440303"
    assert cast["driver_with_permit"].hukou_place == "440106"


@pytest.mark.parametrize(
    ("ago", "today", "day"),
    [
        (Ago(3), "2026-03-01", "2023-03-01"),
        (Ago(3, 1), "2026-03-01", "2023-03-02"),
        (Ago(3, -1), "2026-03-01", "2023-02-28"),
        (Ago(3), "2028-02-29", "2025-02-28"),
        (Ago(4), "2028-02-29", "2024-02-28"),
    ],
)
def test_years_ago_are_counted_from_the_day_of_the_question(ago: Ago, today: str, day: str) -> None:
    assert ago.on(date.fromisoformat(today)).isoformat() == day

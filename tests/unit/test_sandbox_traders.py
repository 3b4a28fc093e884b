"""Those who open a business in the sandbox: nobody real, and consistent with what the city says."""

from datetime import date

from evidence_adapters.sandbox import City, Firms, Traders

TODAY = date(2026, 3, 1)
CITY = City(3)
TRADERS = Traders(CITY)
CAST = TRADERS.cast(TODAY)


def test_the_cast_is_found_by_its_numbers_and_no_two_are_one() -> None:
    assert all(CITY.find(one.trader.id_number) == one.trader for one in CAST.values())
    assert len({one.trader.id_number for one in CAST.values()}) == len(CAST)
    assert len({one.house_code for one in CAST.values()}) == len(CAST)
    assert {role for role in CAST if TRADERS.find_house(CAST[role].house_code) is None} == {
        "shop_code_unknown"
    }


def test_no_house_is_a_trader_s_and_a_firm_s() -> None:
    firms = Firms(CITY)

    assert all(firms.find_house(one.house_code) is None for one in CAST.values())
    assert all(TRADERS.find_house(one.house_code) is None for one in firms.cast(TODAY).values())
    for code in ("", "9900002027133200000800000", "9900002027030100000899999"):
        assert TRADERS.find_house(code) is None


def test_a_deed_leads_to_the_same_house() -> None:
    house = TRADERS.find_house(CAST["leased_shop"].house_code)

    assert house is not None
    assert TRADERS.find_unit(house.unit) == house
    assert TRADERS.find_unit("990000800000GB00001F00000000") is None


def test_leases_end_as_many_days_after_filing_as_the_role_says() -> None:
    ended = TRADERS.find_house(CAST["shop_lease_ended_yesterday"].house_code)
    promised = TRADERS.find_house(CAST["promised_shop"].house_code)

    assert ended is not None
    assert ended.lease_end == date(2026, 2, 28)
    assert ended.tenant == CAST["shop_lease_ended_yesterday"].trader.id_number
    assert promised is not None
    assert promised.lease_end is None


def test_few_people_are_barred_or_dishonest_and_no_child_is() -> None:
    standings = [(person, TRADERS.of(person)) for person in CITY]
    barred = [person for person, standing in standings if standing.bars]

    assert 50 < len(barred) < 500
    assert all(person.birth_date.year <= 2004 for person in barred)
    assert 50 < sum(standing.credit_entries > 0 for _, standing in standings) < 700
    assert all(one.credit_entries_disputed <= one.credit_entries for _, one in standings)


def test_a_standing_stays_the_same_from_version_to_version() -> None:
    """Demonstrations and recorded cases name these numbers: they must mean the same for ever."""
    cast = Traders(City(755)).cast(TODAY)

    assert cast["leased_shop"].trader.id_number == "990000198401010193"
    assert cast["leased_shop"].house_code == "9900002027030100000800000"

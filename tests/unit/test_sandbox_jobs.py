"""Work and its loss in the sandbox: nothing that one register says is denied by another."""

from evidence_adapters.sandbox import City, Firms, Jobs, Lives
from evidence_adapters.sandbox.jobs import Work

CITY = City(3)
JOBS = Jobs(CITY)


def test_the_registers_cannot_contradict_each_other_about_work() -> None:
    lives = Lives(CITY)
    for person in CITY:
        work, insured = JOBS.of(person), lives.of(person).insurance
        assert (work.account is None) is (insured is None)
        if person.death_date is not None:
            assert work == Work()
        if insured is not None and insured.active:
            assert not work.custody
            assert work.registration is None or work.registration.reemployed
        if work.registration is not None:
            assert work.registration.registered is not work.registration.reemployed
        if work.account is not None:
            assert work.account.contributed <= 12 * (2025 - person.birth_date.year - 18)


def test_whoever_stands_for_a_firm_in_business_holds_one() -> None:
    for firm in Firms(CITY):
        person = CITY.find(firm.representative)
        assert person is not None
        if firm.status == "in_business":
            assert JOBS.holds_business(person)
    assert not JOBS.holds_business(JOBS.cast()["job_seeker"])
    assert JOBS.holds_business(JOBS.cast()["stall_owner"])


def test_work_is_lost_in_every_way() -> None:
    works = [JOBS.of(person) for person in CITY]
    entries = [work.registration for work in works if work.registration is not None]

    for kind in (
        *(sum(entry.ground == code for entry in entries) for code in ("01", "05", "06", "11")),
        sum(entry.registered for entry in entries),
        sum(entry.reemployed for entry in entries),
        sum(entry.disputed for entry in entries),
        sum(work.account is not None and work.account.gathering for work in works),
        sum(work.account is not None and work.account.in_payment for work in works),
        sum(work.account is not None and work.account.unused > 0 for work in works),
        *(sum(work.custody == kind for work in works) for kind in ("服刑", "强制隔离戒毒")),
        sum(work.stall for work in works),
    ):
        assert 5 < kind < 9_000


def test_work_follows_from_the_seed_and_the_person_and_the_cast_is_everywhere_the_same() -> None:
    person = CITY.person(5_000)
    cast = JOBS.cast()

    assert Jobs(City(3)).of(person) == JOBS.of(person)
    assert [Jobs(City(4)).of(one) for one in CITY] != [JOBS.of(one) for one in CITY]
    assert Jobs(City(4)).cast() == cast
    assert len({member.id_number for member in cast.values()}) == len(cast)
    assert all(CITY.find(member.id_number) == member for member in cast.values())
    insured = [Lives(CITY).of(member).insurance for member in cast.values()]
    assert not any(one is not None and one.active for one in insured)

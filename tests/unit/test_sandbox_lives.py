"""How the sandbox's people live: nothing that one register says is denied by another."""

from datetime import date

from evidence_adapters.sandbox import City, Lives
from evidence_adapters.sandbox.life import Life

CITY = City(3)
LIVES = Lives(CITY)


def test_the_registers_cannot_contradict_each_other_about_a_life() -> None:
    for person in CITY:
        life = LIVES.of(person)
        local = person.hukou_place.startswith("4403")
        if person.death_date is not None:
            assert life == Life()
        if life.residence is not None:
            assert not local
            assert life.residence.months <= 12 * (2025 - person.birth_date.year)
            assert (life.residence.endorsed_days is None) is (life.residence.permit == "none")
        if life.insurance is not None:
            assert life.insurance.in_two_years >= min(life.insurance.unbroken, 24)
            assert life.insurance.in_two_years <= 24
            assert life.insurance.active or life.insurance.unbroken == 0
        if life.talent is not None:
            assert life.education is not None
            assert (life.talent.introduced is None) is (life.talent.route == "recognition")
            assert local is (life.talent.introduced is not None)
            assert life.talent.introduced is None or (
                life.talent.introduced.year - person.birth_date.year >= 20
            )
        if life.subsidies is not None:
            assert life.talent is not None
            assert life.talent.introduced is not None
            assert life.subsidies.talent is not life.subsidies.rent
        if not local:
            assert life.housing is None
            assert (life.disability, life.service, life.household) == (None, None, None)
        if life.household is not None:
            relations = [life.household.relation, *(one.relation for one in life.household.others)]
            assert relations.count("head") == 1


def test_lives_are_of_every_kind() -> None:
    lives = [LIVES.of(person) for person in CITY]

    for kind in (
        sum(life.residence is not None for life in lives),
        sum(life.residence is not None and life.residence.gap_open for life in lives),
        sum(life.residence is not None and life.residence.permit == "suspended" for life in lives),
        sum(life.insurance is not None for life in lives),
        sum(life.insurance is not None and not life.insurance.active for life in lives),
        sum(life.education is not None and life.education.studies_here for life in lives),
        sum(life.education is not None and life.education.degree == "doctor" for life in lives),
        sum(life.talent is not None and life.talent.route == "recognition" for life in lives),
        sum(life.talent is not None and life.talent.route == "returnee" for life in lives),
        sum(life.housing is not None and life.housing.by_letter for life in lives),
        sum(life.housing is not None and life.housing.concession for life in lives),
        sum(life.subsidies is not None and life.subsidies.rent for life in lives),
        sum(life.disability is not None and life.disability.grade == 1 for life in lives),
        sum(life.disability is not None and life.disability.days < 0 for life in lives),
        sum(life.service is not None for life in lives),
        sum(life.household is not None and len(life.household.others) > 2 for life in lives),
    ):
        assert 10 < kind < 9_000


def test_a_life_follows_from_the_seed_and_the_person_and_the_cast_is_everywhere_the_same() -> None:
    person = CITY.person(5_000)

    assert Lives(City(3)).of(person) == LIVES.of(person)
    assert [Lives(City(4)).of(one) for one in CITY] != [LIVES.of(one) for one in CITY]
    assert Lives(City(4)).cast() == LIVES.cast()


def test_the_cast_is_on_the_register_that_its_names_say() -> None:
    cast = LIVES.cast()

    assert len({person.id_number for person in cast.values()}) == len(cast)
    assert cast["resident"].hukou_place == "440106"
    assert cast["local_resident"].hukou_place == "440303"
    assert cast["introduced_bachelor"].birth_date == date(1991, 1, 2)
    assert all(CITY.find(person.id_number) == person for person in cast.values())

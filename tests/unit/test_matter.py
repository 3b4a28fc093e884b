"""matter.toml: what of an evidence plan could not be asked is told when it is loaded."""

import pytest

from decision_service.datafile import UnfitFileError
from tests import firms

GIVES = 'organisation_code = "organisation.organisation_code"'


def test_a_plan_of_two_waves_is_a_release() -> None:
    release = firms.release()

    assert release.hangs_on[firms.PROPERTY] == {firms.UNIT}
    assert release.hangs_on[firms.CREDIT] == {firms.REPRESENTED}
    assert firms.UNIT in release.meanings, "the key of another register is frozen with the release"
    assert release.matter.form_keys == {"house_code"}
    assert release.found_by_declaration == {firms.ADDRESS, firms.PROPERTY}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(
            ', id_number = "applicant.id_number"',
            "",
            "`company_register` finds by `id_number`, which the plan does not give",
            id="a key is missing",
        ),
        pytest.param(
            'house_code = "form.house_code"',
            'house_code = "form.house_code", name = "form.house_code"',
            "`address_register` does not find by `name`",
            id="a key too many",
        ),
        pytest.param(
            "form.house_code",
            "form.house_number",
            "`address_register`: the applicant declares no text `house_number` in the form",
            id="no such field",
        ),
        pytest.param(
            "form.house_code",
            "form.floor",
            "`address_register`: the applicant declares no text `floor` in the form",
            id="a number finds nothing",
        ),
        pytest.param(
            'after = ["address_register"]\n',
            "",
            "`property_register` hangs on `premises.property_unit`, "
            "for which no register of its `after` vouches",
            id="not waited for",
        ),
        pytest.param(
            '"premises.property_unit"',
            '"premises.unit_number"',
            "`property_register` hangs on `premises.unit_number`, "
            "for which no register of its `after` vouches",
            id="no such concept",
        ),
        pytest.param(
            'property_unit = "premises.property_unit"',
            'property_unit = "premises.legal"',
            "`property_register`: `premises.legal` is no text, so no `property_unit`",
            id="a yes or no finds nothing",
        ),
        pytest.param(
            'after = ["company_register"]',
            'after = ["company_register", "address_register"]',
            "`credit_register` waits for `address_register` without use",
            id="waits for nothing",
        ),
        pytest.param(
            'after = ["company_register"]',
            'after = ["company_register", "death_register"]',
            "`credit_register` waits for `death_register`, which the plan does not ask",
            id="waits for nobody",
        ),
        pytest.param(
            'only_if = "organisation.represented_by_applicant"',
            'only_if = "premises.legal"',
            "`credit_register` hangs on `premises.legal`, "
            "for which no register of its `after` vouches",
            id="confirmed by nobody",
        ),
        pytest.param(
            'key = { house_code = "form.house_code" }',
            'key = { house_code = "form.house_code" }\nafter = ["company_register"]\n'
            'only_if = "organisation.represented_by_applicant"',
            "`property_register` waits for `address_register`, which waits itself: "
            "two waves at most",
            id="three waves",
        ),
        pytest.param(
            'key = { organisation_code = "organisation.organisation_code", id_number',
            'after = ["credit_register"]\nonly_if = "organisation.trusted"\n'
            'key = { organisation_code = "organisation.organisation_code", id_number',
            "`company_register` waits for `credit_register`, which waits itself: two waves at most",
            id="a circle",
        ),
        pytest.param(
            'applicants = ["organisation"]',
            'applicants = ["person"]',
            "`company_register`: `organisation.organisation_code` is of `organisation`, "
            "who takes no part",
            id="no organisation takes part",
        ),
        pytest.param(
            'about = "organisation"',
            'about = "guardian"',
            "`company_register` is asked about `guardian`, who takes no part",
            id="nobody of that role",
        ),
        pytest.param(
            'type = "credit_register"',
            'type = "company_register"',
            "the plan asks `company_register` twice",
            id="asked twice",
        ),
        pytest.param(
            'by = ["company_register"]',
            'by = ["death_register"]',
            "`copy of the licence` is replaced by `death_register`, which the plan does not ask",
            id="replaced by nothing",
        ),
        pytest.param(
            'shows = "premises.owned_by_organisation"',
            'shows = "organisation.trusted"',
            "`deed` shows `organisation.trusted`, which none of its `by` vouches for",
            id="shows what nobody vouches for",
        ),
    ],
)
def test_a_plan_that_could_not_be_asked_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(UnfitFileError) as caught:
        firms.release((old, new))

    assert caught.value.reason == "MATTER_INVALID"
    assert fault in str(caught.value)
    assert fault not in caught.value.zh
    assert all(one.place for one in caught.value.faults)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(UnfitFileError) as caught:
        firms.release(
            ("form.house_code", "form.floor"),
            ('after = ["company_register"]', 'after = ["address_register"]'),
        )

    assert "declares no text `floor`" in str(caught.value)
    assert "`credit_register` waits for `address_register` without use" in str(caught.value)
    assert "`credit_register` hangs on `organisation.represented_by_applicant`" in str(caught.value)

"""What is special about each firm of the sandbox's cast, and the names to ask for them by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from evidence_adapters.sandbox.city import ELSEWHERE

_FOUNDED: Final = {"founded": timedelta(days=400)}
"""Of a firm that has started up: older than half a year, younger than three."""

_LONG: Final = 365
"""Days from the day of filing to the end of a lease that nobody looks at twice."""


@dataclass(frozen=True, slots=True)
class Role:
    """What is special about a firm of the cast; all else is in good order.

    Attributes:
        right: How the house is at the firm's disposal.
        lease_days: Last day of the lease, counted from the day of filing.
    """

    firm: Mapping[str, Any] = field(default_factory=dict)
    house: Mapping[str, Any] = field(default_factory=dict)
    right: Literal["lease", "ownership", "none"] = "lease"
    lease_days: int = _LONG
    filer: Literal[
        "representative",
        "another",
        "deceased representative",
        "banned representative",
        "once banned representative",
    ] = "representative"
    house_exists: bool = True


ROLES: Final[Mapping[str, Role]] = {
    "leased_office": Role(),
    "owned_office": Role(right="ownership"),
    "residential_address": Role(house={"use": "residential"}),
    "mixed_use_address": Role(house={"use": "mixed"}),
    "illegal_building": Role(house={"illegal": True, "unit": ""}),
    "crowded_address": Role(house={"firms": 61}),
    "other_district": Role(house={"district": "440305"}),
    "other_city": Role(house={"district": ELSEWHERE[1]}),
    "sealed_property": Role(right="ownership", house={"restriction": "sealed"}),
    "lease_ended_yesterday": Role(lease_days=-1),
    "lease_ends_on_filing_day": Role(lease_days=0),
    "lease_of_another": Role(right="none"),
    "equity_frozen": Role(firm={"equity": "frozen"}),
    "suspended": Role(firm={"status": "suspended"}),
    "revoked": Role(firm={"status": "revoked"}),
    "cancelled": Role(firm={"status": "cancelled"}),
    "abnormal_for_address": Role(firm={"listed": "address"}),
    "abnormal_for_another_cause": Role(firm={"listed": "report"}),
    "credit_hit": Role(firm={"credit_entries": 1}),
    "credit_hit_disputed": Role(firm={"credit_entries": 1, "credit_entries_disputed": 1}),
    "house_code_unknown": Role(house_exists=False),
    "device_dealer": Role(firm={"class_ii_devices": True}),
    "no_device_scope": Role(firm={"class_ii_devices": False}),
    "representative_died": Role(filer="deceased representative"),
    "filer_is_another": Role(filer="another"),
    "house_without_deed": Role(house={"unit": ""}),
    "disputed": Role(firm={"disputed": True}),
    "food_shop": Role(firm={"food_sale": True}),
    "food_shop_banned": Role(firm={"food_sale": True}, filer="banned representative"),
    "food_shop_once_banned": Role(firm={"food_sale": True}, filer="once banned representative"),
    "food_shop_credit_hit": Role(firm={"food_sale": True, "credit_entries": 1}),
    "food_shop_upstairs": Role(firm={"food_sale": True}, house={"floor": 2}),
    "food_shop_below": Role(firm={"food_sale": True}, house={"floor": -1}),
    "food_shop_in_heritage_street": Role(firm={"food_sale": True}, house={"heritage": True}),
    "startup": Role(firm=_FOUNDED),
    "startup_too_old": Role(firm={"founded": timedelta(days=1_100)}),
    "startup_too_young": Role(firm={"founded": timedelta(days=100)}),
    "startup_insured_five_months": Role(firm=_FOUNDED),
    "startup_insured_six_months": Role(firm=_FOUNDED),
    "startup_never_insured": Role(firm=_FOUNDED),
    "startup_insurance_ended": Role(firm=_FOUNDED),
    "startup_of_ten": Role(firm=_FOUNDED),
    "startup_of_twelve": Role(firm=_FOUNDED),
    "startup_of_many_kinds": Role(firm=_FOUNDED),
    "startup_with_one_being_checked": Role(firm=_FOUNDED),
    "startup_of_nobody_who_counts": Role(firm=_FOUNDED),
    "startup_paid_before": Role(firm=_FOUNDED),
    "startup_without_partners": Role(firm=_FOUNDED),
    "startup_listed_abnormal": Role(firm={**_FOUNDED, "listed": "report"}),
    "startup_filed_by_another": Role(firm=_FOUNDED, filer="another"),
}
"""The cast. A role's place in the list is its number: new ones go to the end."""

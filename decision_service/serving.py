"""送达: when a notice counts as served, and the terms that are counted from that day. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from decision_service.followup import Channel, Delivery, Served
from decision_service.model import Remedies
from decision_service.workdays import Workdays


def served(
    decision: int,
    deliveries: Sequence[Delivery],
    *,
    favours: bool,
    remedies: Remedies,
    zone: ZoneInfo,
    workdays: Workdays,
) -> Served | None:
    """When the notice of an entry was served, and until when its remedies run; None if it is not.

    What gives is served by the first receipt. What refuses or takes is served when receipts of
    two channels are there, on the day of the later one, or when it was handed over in person and
    signed for, on that day (民事诉讼法 87, 88, 90, 91; S13). Without a receipt nothing is served.

    Both terms run from the day on which the person came to know (行政复议法 20, 行政诉讼法 46). The
    first day is not counted; months end on the day of the same number, or the last of the month; a
    last day on which offices are shut moves to the next on which they are open (民事诉讼法 85,
    民法典 203).

    Args:
        favours: Whether it gives the person what they asked for.
    """
    own = sorted(
        (one for one in deliveries if one.decision == decision),
        key=lambda one: one.delivered_time,
    )
    first: dict[Channel, date] = {}
    for one in own:
        first.setdefault(one.channel, one.delivered_time.astimezone(zone).date())
    day = _day(first, favours=favours)
    if day is None:
        return None
    return Served(
        decision=decision,
        served_date=day,
        reconsideration_until=_open(day + timedelta(days=remedies.reconsideration.days), workdays),
        litigation_until=_open(_months_after(day, remedies.litigation.months), workdays),
    )


def _day(first: dict[Channel, date], *, favours: bool) -> date | None:
    if favours:
        return min(first.values(), default=None)
    if Channel.IN_PERSON in first:
        return first[Channel.IN_PERSON]
    days = sorted(first.values())
    return days[1] if len(days) > 1 else None


def _months_after(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    for number in range(day.day, 27, -1):
        try:
            return date(day.year + years, month + 1, number)
        except ValueError:
            continue
    return date(day.year + years, month + 1, day.day)


def _open(day: date, workdays: Workdays) -> date:
    while not workdays.is_open(day):
        day += timedelta(days=1)
    return day

"""`miaopi audit groups`: how decisions came out by groups of applicants, on the terminal."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from audit.groups import Group, Groups, count_groups
from audit.trail.queries import All, Condition, Is
from decision_service import catalogue
from decision_service import grouping as groupings
from decision_service.cli import show
from decision_service.cli.audit import print_json, refusals
from decision_service.cli.rule_files import refused
from decision_service.grouping import Grouping, Groupings
from decision_service.model import Text
from decision_service.record import KINDS

_OUTCOMES = (KINDS.granted, KINDS.refused, KINDS.referred)


def print_groups(
    store: Path,
    city: Path,
    of: tuple[str, str],
    months: tuple[datetime | None, datetime | None],
    zone: ZoneInfo,
    *,
    as_json: bool,
) -> None:
    """Count the decisions of a matter by a grouping, and print that.

    Args:
        of: The matter, and the grouping.
        months: The first and the last one, if not from the beginning and to the end.
    """
    matter, id_ = of
    with refused():
        laid_down = groupings.load(city, catalogue.meanings_of(city))
    grouping = _named(id_, laid_down)
    condition = All((Is("matter", "=", matter), *_within(months, zone)))
    with refusals(as_json=as_json):
        found = count_groups(
            store, condition, grouping.group_of, kinds=KINDS, least=laid_down.least
        )
    if as_json:
        print_json(
            {
                "ok": True,
                "matter": matter,
                "grouping": id_,
                "legal_basis": grouping.legal_basis,
                "groups": [_json(one) for one in found.shown],
                "erased": found.erased,
            }
        )
        return
    title = f"{matter}  {_both(grouping.name)}"
    show.out.print(f"{title}  依据 law: {grouping.legal_basis}", soft_wrap=True)
    show.out.print(_table(found, grouping))
    if found.erased:
        show.out.print(f"已删除个人信息，不计 erased, not counted: {found.erased}")


def _named(id_: str, laid_down: Groupings) -> Grouping:
    found = laid_down.by_id.get(id_)
    if found is None:
        there = ", ".join(laid_down.by_id) or "—"
        raise typer.BadParameter(
            f"matters/groups.toml 没有分组“{id_}”，只有：{there} | matters/groups.toml has no"
            f" grouping `{id_}`; it has: {there}"
        )
    return found


def _within(
    months: tuple[datetime | None, datetime | None], zone: ZoneInfo
) -> tuple[Condition, ...]:
    first, last = months
    within: list[Condition] = []
    if first is not None:
        within.append(Is("time", ">=", first.replace(tzinfo=zone)))
    if last is not None:
        after = last.replace(year=last.year + last.month // 12, month=last.month % 12 + 1)
        within.append(Is("time", "<", after.replace(tzinfo=zone)))
    return tuple(within)


def _json(group: Group) -> dict[str, object]:
    return {
        "groups": list(group.names),
        "persons": group.persons,
        **{outcome: group.outcomes[outcome] for outcome in _OUTCOMES},
        "overturned": group.overturned,
    }


def _table(found: Groups, grouping: Grouping) -> show.Grid:
    table = show.grid(
        "组 Group",
        "人数 Persons",
        "准予 Approved",
        "不予 Refused",
        "转人工 Referred",
        "准予率 Share approved",
        "被改变 Overturned",
    )
    for one in found.shown:
        names = "；".join(_both(grouping.name_of(each)) for each in one.names)
        counts = [one.outcomes[outcome] for outcome in _OUTCOMES]
        share = f"{100 * counts[0] / sum(counts):.1f} %"
        table.add_row(names, *map(str, (one.persons, *counts)), share, str(one.overturned))
    return table


def _both(text: Text) -> str:
    return f"{text.zh} {text.en}"

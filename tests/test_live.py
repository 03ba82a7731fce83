"""How far payers came, why payments failed, which day today is held against; every figure is a door."""

import html
import re
from collections import Counter as Sums
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import event, select, update

import words
from db.migrate import downgrade, migrate
from db.models import Event, Payment
from db.money import Money
from payments import dates, lifecycle, obligations
from payments.access import signin
from payments.access.people import Action, Role
from payments.asking import links
from payments.at_the_door import cash_up, shifts, till_rows
from payments.at_the_door.slips import Slip
from payments.books import integrity
from payments.errors import GatewayRefused, GatewayUnavailable
from payments.finding import filters, search
from payments.gateways import Answer
from payments.hearing import inbox, sync
from payments.hearing.inbox import Message
from payments.lifecycle import Source, Status
from payments.live import overview, takings
from payments.live.figures import Figure, Summed
from payments.live.split import By, split
from payments.live.stages import NO_CODE, NO_LINK, UNREACHABLE, Stage
from payments.live.takings import Compared
from tests.desk import ADDRESSES, ADMIN, FakeGateway, issue, make_event, payment_of
from tests.samples import make_payment
from tests.test_door import corrected, sold
from tests.test_pages import PAGES, desk  # noqa: F401 - the fixture
from ui import board, charts
from ui.till_rows import asked_in

NOON = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)
BY = {"source": Source.DESK, "actor": "Thandi"}


# -- how far a payer came ---------------------------------------------------------------------------


@pytest.fixture
def gateway(sessions):
    with sessions.begin() as session:
        make_event(session, now=NOON)
    return FakeGateway()


def kept(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return payment.stage, payment.failure


def ask(sessions, gateway, reference, minutes):
    with sessions.read() as session:
        link_id = payment_of(session, reference).links[-1].id
    sync.ask(sessions, {"ikhokha": gateway}, link_id, now=NOON + timedelta(minutes=minutes))


def ring(sessions, gateway, reference, word, code, minutes):
    """A signed message about a payment's link, and what it leads to."""
    with sessions.begin() as session:
        link = payment_of(session, reference).links[-1]
        now = NOON + timedelta(minutes=minutes)
        body = f"{link.gateway_reference} {word} {code}".encode()
        message = Message("ikhokha", "/", {}, body, now)
        event = SimpleNamespace(
            gateway_reference=link.gateway_reference, reference=None, word=word, code=code
        )
        event_id = inbox.accept(session, message, event)
    inbox.process(sessions, {"ikhokha": gateway}, event_id, now=now)


@pytest.mark.parametrize(
    "gain, before, told",
    [
        (0, 0, ""),
        (500, 0, ""),
        (50, 100, "+50\u00a0%"),
        (-100, 100, "−100\u00a0%"),
        (999, 100, "+999\u00a0%"),
        (1000, 100, "11\u00a0times"),
        (366_998, 8_000, "47\u00a0times"),
    ],
)
def test_a_gain_is_told_in_percent_and_a_huge_one_in_times(gain, before, told):
    assert board.share_of(gain, before) == told


def test_a_payment_comes_as_far_as_its_payer_was_seen(sessions, gateway):
    view = issue(sessions, gateway, now=NOON)
    assert kept(sessions, view.reference) == (Stage.ISSUED, "")
    with sessions.begin() as session:
        links.returned(session, view.return_token, "cancel", now=NOON + timedelta(seconds=5))
    assert kept(sessions, view.reference) == (Stage.OPENED, "")
    gateway.says(view.gateway_reference, Answer.ATTEMPT_FAILED, "FAILURE")
    ask(sessions, gateway, view.reference, 2)
    assert kept(sessions, view.reference) == (Stage.ATTEMPTED, NO_CODE)
    gateway.says(view.gateway_reference, Answer.PAID, "PAID")
    ask(sessions, gateway, view.reference, 4)
    with sessions.begin() as session:
        links.returned(session, view.return_token, "success", now=NOON + timedelta(minutes=9))
    assert kept(sessions, view.reference)[0] == Stage.PAID


def test_cash_brings_no_payer_to_the_gateways_page(sessions, gateway):
    view = issue(sessions, gateway, now=NOON)
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, view.reference), kind="cash", source_reference="slip",
            amount=Money(15_000), now=NOON, **BY,
        )  # fmt: skip
    assert kept(sessions, view.reference)[0] == Stage.ISSUED


@pytest.mark.parametrize(
    "error, why",
    [
        pytest.param(GatewayRefused("99", "No."), NO_LINK, id="refused"),
        pytest.param(GatewayUnavailable("Nobody there."), UNREACHABLE, id="not reached"),
    ],
)
def test_why_there_is_no_link_is_kept(sessions, gateway, error, why):
    gateway.failing = error
    with pytest.raises(type(error)):
        issue(sessions, gateway, now=NOON)
    with sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        assert (payment.status, payment.stage, payment.failure) == (Status.FAILED, Stage.ASKED, why)


@pytest.mark.parametrize(
    "code, why",
    [
        pytest.param("05", "05", id="a code"),
        pytest.param("00", NO_CODE, id="all is well is no reason"),
        pytest.param(None, NO_CODE, id="none"),
        pytest.param("<b>05</b>", NO_CODE, id="no code at all"),
    ],
)
def test_a_messages_code_is_kept_as_the_reason(sessions, gateway, code, why):
    view = issue(sessions, gateway, now=NOON)
    gateway.says(view.gateway_reference, Answer.ATTEMPT_FAILED, "FAILURE")
    ring(sessions, gateway, view.reference, "FAILURE", code, 2)
    assert kept(sessions, view.reference) == (Stage.ATTEMPTED, why)


def test_a_code_that_comes_after_the_poll_is_kept_and_the_poll_does_not_take_it_away(sessions, gateway):
    view = issue(sessions, gateway, now=NOON)
    gateway.says(view.gateway_reference, Answer.ATTEMPT_FAILED, "FAILURE")
    ask(sessions, gateway, view.reference, 2)
    assert kept(sessions, view.reference)[1] == NO_CODE
    ring(sessions, gateway, view.reference, "FAILURE", "51", 4)
    ask(sessions, gateway, view.reference, 6)
    assert kept(sessions, view.reference)[1] == "51"
    assert words.failure("51") == ("Not enough money on the card (51)", words.FAILURE["51"][1])
    assert "XY-7" in words.failure("XY-7")[0]


def test_what_was_there_before_is_told_as_far_as_its_timeline_tells(sessions, gateway):
    """Down and up again: the codes of failures are lost with their column, stages and totals are found."""
    _, returned, failed, paid = (issue(sessions, gateway, now=NOON).reference for _ in range(4))
    with sessions.begin() as session:
        token = payment_of(session, returned).links[-1].return_token
        links.returned(session, token, "cancel", now=NOON + timedelta(seconds=5))
    for reference, answer, word in ((failed, Answer.ATTEMPT_FAILED, "FAILURE"), (paid, Answer.PAID, "PAID")):
        with sessions.read() as session:
            gateway.says(payment_of(session, reference).links[-1].gateway_reference, answer, word)
        ring(sessions, gateway, reference, word, "51" if word == "FAILURE" else "00", 2)
    gateway.failing = GatewayRefused("99", "No.")
    with pytest.raises(GatewayRefused):
        issue(sessions, gateway, now=NOON)
    before = journeys(sessions)
    downgrade(sessions.engine, "0008")
    migrate(sessions.engine)
    assert before[failed] == (Stage.ATTEMPTED, "51")
    assert journeys(sessions) == before | {failed: (Stage.ATTEMPTED, NO_CODE)}
    assert sorted(before.values()) == [
        (Stage.ASKED, NO_LINK), (Stage.ATTEMPTED, "51"), (Stage.ISSUED, ""), (Stage.OPENED, ""),
        (Stage.PAID, ""),
    ]  # fmt: skip
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def journeys(sessions):
    with sessions.read() as session:
        return {row.reference: (row.stage, row.failure) for row in session.scalars(select(Payment))}


def test_the_funnel_counts_who_came_so_far_or_further(sessions, gateway):
    for nth, stage in enumerate(Stage):
        with sessions.begin() as session:
            event = session.scalars(select(Event)).one()
            for _ in range(nth + 1):
                make_payment(session, event, now=NOON, stage=stage)
            make_payment(session, event, now=NOON - timedelta(days=1), stage=stage)
    with sessions.read() as session:
        made = overview.live(session, None, now=NOON).made
    assert made.all.count == 15
    assert [(step.stage, step.reached.count, step.stayed.count) for step in made.steps] == [
        (Stage.ISSUED, 14, 1), (Stage.OPENED, 12, 2), (Stage.ATTEMPTED, 9, 3), (Stage.PAID, 5, 4),
    ]  # fmt: skip


# -- the day compared with --------------------------------------------------------------------------


def fair(number, name, starts, days, state="open"):
    return SimpleNamespace(
        id=number, name=name, starts_on=starts, ends_on=starts + timedelta(days=days - 1), state=state
    )


CLOUD = fair(1, "Cloud", date(2026, 4, 7), 3)  # a Tuesday
TECH = fair(2, "Tech", date(2026, 11, 24), 5)
DRAFT = fair(3, "Draft", date(2026, 10, 1), 9, "draft")


@pytest.mark.parametrize(
    "today, compared",
    [
        pytest.param(date(2026, 11, 24), Compared(date(2026, 4, 7), "Cloud", 1), id="the first day"),
        pytest.param(
            date(2026, 11, 26), Compared(date(2026, 4, 9), "Cloud", 3), id="the last one's last day"
        ),
        pytest.param(date(2026, 11, 27), None, id="a day the last event did not have"),
        pytest.param(date(2026, 11, 29), None, id="after the event"),
        pytest.param(date(2026, 11, 23), Compared(date(2026, 4, 6), "Cloud", -1), id="the day before"),
        pytest.param(date(2026, 11, 14), Compared(date(2026, 3, 28), "Cloud", -10), id="ten days before"),
    ],
)
def test_a_day_is_held_against_the_same_day_of_the_last_event(today, compared):
    events = [CLOUD, TECH, DRAFT]
    assert takings.same_day_of_the_last_event(events, Sums({2: 5}), today) == compared


def test_before_an_event_the_weekday_is_the_same():
    event = fair(2, "Tech", date(2026, 11, 28), 2)  # a Saturday, after a Tuesday's event
    for days in range(1, 60):
        today = event.starts_on - timedelta(days=days)
        compared = takings.same_day_of_the_last_event([CLOUD, event], Sums({2: 1}), today)
        assert compared is not None
        assert compared.day.weekday() == today.weekday()
        assert compared.day < CLOUD.starts_on
        assert abs((CLOUD.starts_on - compared.day).days - days) <= 7
        assert compared.nth == -(CLOUD.starts_on - compared.day).days


def test_the_first_event_and_a_lone_one_have_no_last():
    assert takings.same_day_of_the_last_event([CLOUD], Sums({1: 1}), date(2026, 4, 8)) is None
    assert takings.same_day_of_the_last_event([], Sums(), date(2026, 4, 8)) is None


def test_the_last_event_of_another_scope_is_nobodys_to_compare_with(sessions):
    with sessions.begin() as session:
        last, this = make_event(session, "last", now=NOON), make_event(session, "this", now=NOON)
        last.starts_on, last.ends_on = date(2026, 5, 4), date(2026, 5, 6)
        this.starts_on, this.ends_on = date(2026, 11, 23), date(2026, 11, 25)
        for event, moment in ((last, datetime(2026, 5, 4, 8, 0, tzinfo=UTC)), (this, NOON)):
            payment = make_payment(session, event, now=moment)
            lifecycle.receive(
                session, payment, kind="cash", source_reference=f"s{event.id}", amount=payment.amount,
                now=moment, **BY,
            )  # fmt: skip
        scope = frozenset({this.id})
    with sessions.read() as session:
        whole = overview.live(session, None, now=NOON).takings
        mine = overview.live(session, scope, now=NOON).takings
    assert whole.compared == Compared(date(2026, 5, 4), "Last 2026", 1)
    assert (whole.before.count, mine.before.count) == (1, 0)
    assert mine.compared == Compared(date(2026, 11, 22))


# -- every figure is a door -------------------------------------------------------------------------


def season(session, seed: int) -> None:
    """Payments of two days and an event of spring in every state, as the lifecycle makes them."""
    dice = Random(seed)
    events = [make_event(session, code, now=NOON) for code in ("spring", "gala", "expo")]
    events[0].starts_on, events[0].ends_on = date(2026, 5, 4), date(2026, 5, 6)
    events[1].starts_on, events[1].ends_on = date(2026, 11, 23), date(2026, 11, 25)
    for nth in range(120):
        event = dice.choice(events)
        days = dice.choice((0, 0, 0, 1, 203))
        moment = NOON - timedelta(days=days, minutes=dice.randrange(600))
        payment = make_payment(
            session, event, now=moment, status=Status.CREATED, amount_minor=dice.randrange(100, 90_000),
            amount_currency=dice.choice(("ZAR", "ZAR", "ZAR", "USD")), stage=dice.choice(list(Stage)),
        )  # fmt: skip
        later = moment + timedelta(minutes=dice.randrange(90))
        match dice.randrange(6):
            case 0 | 1:
                amount = payment.amount
            case 2:
                amount = Money(1, payment.amount_currency)
            case _:
                to = dice.choice((Status.OPEN, Status.FAILED, Status.EXPIRED, Status.WAIVED))
                lifecycle.advance(session, payment, to, now=later, **BY)
                continue
        lifecycle.receive(
            session, payment, kind=dice.choice(("cash", "eft", "gateway")), source_reference=f"s{nth}",
            amount=amount, now=later, **BY,
        )  # fmt: skip
        if payment.status == Status.PAID and dice.random() < 0.3:
            lifecycle.advance(session, payment, Status.REFUNDED, now=later, **BY)


@pytest.mark.parametrize("seed", range(3))
def test_every_figure_equals_the_list_that_it_leads_to(sessions, seed):
    with sessions.begin() as session:
        season(session, seed)
    with sessions.read() as session:
        gala = session.scalars(select(Event.id).where(Event.code == "gala")).one()
        for scope in (None, frozenset({gala}), frozenset()):
            person = type(ADMIN)(9, "Aisha", "aisha@example.org", Role.VIEWER, scope)
            figures = list(overview.live(session, scope, now=NOON).figures())
            for figure in figures:
                found = search.totals(session, person, figure.filter)
                assert (figure.count, figure.sums) == (found.count, found.sums), figure
            assert scope == frozenset() or sum(bool(figure.count) for figure in figures) > 30


@pytest.mark.parametrize("by", By)
def test_the_funnel_apart_equals_its_lists_and_adds_up_to_the_whole(sessions, by):
    """As each scope; the parts have every payment once, so that their steps add up to those of all."""
    with sessions.begin() as session:
        season(session, 2)
    with sessions.read() as session:
        gala = session.scalars(select(Event.id).where(Event.code == "gala")).one()
        for scope in (None, frozenset({gala}), frozenset()):
            person = type(ADMIN)(9, "Aisha", "aisha@example.org", Role.VIEWER, scope)
            parts = split(session, scope, by, now=NOON)
            assert len(parts) > 1 or scope is not None
            for part in parts:
                for step in part.steps:
                    for figure in (step.reached, step.stayed):
                        found = search.totals(session, person, figure.filter)
                        assert (figure.count, figure.sums) == (found.count, found.sums), figure
            for nth, step in enumerate(overview.live(session, scope, now=NOON).made.steps):
                for name in ("reached", "stayed"):
                    apart = [getattr(part.steps[nth], name) for part in parts]
                    whole = getattr(step, name)
                    assert sum(figure.count for figure in apart) == whole.count
                    assert sum(figure.rand.minor for figure in apart) == whole.rand.minor


def test_the_funnel_apart_is_read_only_where_it_was_chosen(sessions, monkeypatch):
    asked = []
    with sessions.begin() as session:
        season(session, 2)
    with sessions.read() as session:
        engine = session.get_bind()

        @event.listens_for(engine, "before_cursor_execute")
        def _keep(_connection, _cursor, statement, *_other):
            asked.append(statement)

        overview.live(session, None, now=NOON)
        assert not any("payments.stage" in one and "sum(payments" in one for one in asked)
        assert not any("FROM made_hours" in one for one in asked)
        split(session, None, By.METHOD, now=NOON)
        event.remove(engine, "before_cursor_execute", _keep)
    assert "payments.created_at >=" in asked[-1], "bounded by what was made today"


def test_a_wrong_figure_would_be_found(sessions):
    with sessions.begin() as session:
        season(session, 1)
        session.execute(update(Payment).where(Payment.id == 1).values(amount_minor=1))
    with sessions.read() as session:
        wrong = [
            figure
            for figure in overview.live(session, None, now=NOON).figures()
            if search.totals(session, ADMIN, figure.filter).sums != figure.sums
        ]
    assert wrong


_DOOR = re.compile(r'<a class="pd-door[^"]*" href="([^"]+)"(?: data-count="([0-9]+)" data-sums="([^"]*)")?')
#: So many doors of each role are opened as pages, too; all of them are asked what they list.
OPENED = 20


@pytest.mark.parametrize("role", list(Role))
def test_no_door_of_any_page_leads_to_another_count_or_sum(desk, role):  # noqa: F811
    """Each page as each role; each number that is a link, followed to the list it opens, as that role."""
    _pay_out(desk)
    with desk.sessions.begin() as session:
        season(session, 5)
        gala = session.scalars(select(Event.id).where(Event.code == "gala")).one()
    issued = issue(desk.sessions, desk.gateway, now=desk.now, event="gala")
    with desk.sessions.begin() as session:
        payment = payment_of(session, issued.reference)
        lifecycle.flag(session, payment, lifecycle.Review.OVERPAID, now=desk.now, **BY)
    desk.sign_in(role, [gala] if role is Role.ORGANISER else None)
    here = signin.who(desk.sessions, desk.cookie, now=desk.now, active=False).person
    if here.may(Action.TAKE_MONEY):
        _take_at_the_door(desk, here)
    doors = {door for page in PAGES for door in doors_of(desk.open(page))}
    live = desk.open("pages/monitor/live.py")
    for by in By:
        live.segmented_control(key="live_split").set_value(by).run()
        assert "pd-funnels" in bodies(live)
        doors |= doors_of(live)
    doors = sorted(doors)
    numbers = [door for door in doors if door[1]]
    assert len(numbers) > (20 if role is Role.ORGANISER else 60)
    with desk.sessions.read() as session:
        for href, count, sums in numbers:
            found = followed(session, here, href)
            assert (str(found.count), words.sums(found.sums)) == (count, sums), href
    rows, lists = ([one for one in numbers if is_of_a_shift(one[0]) is of] for of in (True, False))
    assert len(rows) == (9 if here.may(Action.TAKE_MONEY) else 0), "each kind of rows has a door"
    for href, count, sums in Random(3).sample(lists, OPENED):
        at = opened(desk, href)
        line = next(text.value for text in at.markdown if " asked" in text.value)
        assert line.startswith(f"**{words.count(int(count), 'payment', 'payments')}** · **{sums}** asked")
    for href, count, sums in rows:
        shown = bodies(opened(desk, href))
        assert shown.count('<th scope="row">') == int(count) + ("uncounted" not in href), href
        assert "uncounted" in href or html.escape(sums) in shown, href
    for href, count, _ in doors:
        if not count:  # the queue and the inbox tell their own numbers
            opened(desk, href)


def _pay_out(desk) -> None:  # noqa: F811
    """A payout and its bank line, and a line of a stranger: the money's pages have figures too."""
    from tests.test_payout_pages import There

    bench = There(desk)
    bench.bring(bench.row(bench.paid()), "2026-11-20,Refund,WEBSHOP-1,,-100.00,,,,P1")
    bench.bank(bench.net())
    bench.bank("70.00", what="A STRANGER")
    bench.propose()


def _take_at_the_door(desk, here) -> None:  # noqa: F811
    """A shift that was closed, one that is not counted yet, and two links, one of them paid."""
    with desk.sessions.begin() as session:
        shift = shifts.open_shift(session, here, "gala", "Main door", Money(50_000), now=desk.now)
    sold(desk.sessions, here, shift, desk.now, owed=_owed(desk, here, 15_000))
    sold(desk.sessions, here, shift, desk.now, owed=_owed(desk, here, 15_000), slip=Slip("0471", "", "One"))
    gone = sold(desk.sessions, here, shift, desk.now, owed=_owed(desk, here, 15_000))
    corrected(desk.sessions, here, shift, gone.id, desk.now)
    with desk.sessions.begin() as session:
        cash_up.count(session, here, shift.id, {20_000: 3}, now=desk.now, machines={"One": Money(15_000)})
        cash_up.close(session, here, shift.id, now=desk.now, why="Fifty less than it should be")
        again = shifts.open_shift(session, here, "gala", "Main door", Money(0), now=desk.now)
    sold(desk.sessions, here, again, desk.now, owed=_owed(desk, here, 15_000))
    for says in (Answer.PAID, Answer.OPEN):
        link = links.issue(
            desk.sessions, desk.gateway, _owed(desk, here, 15_000), person=here, addresses=ADDRESSES,
            now=desk.now,
        )  # fmt: skip
        desk.gateway.says(link.gateway_reference, says, says.upper())
        with desk.sessions.read() as session:
            link_id = payment_of(session, link.reference).links[0].id
        sync.ask(desk.sessions, {desk.gateway.name: desk.gateway}, link_id, now=desk.now)


def _owed(desk, here, minor) -> obligations.Draft:  # noqa: F811
    with desk.sessions.read() as session:
        reference = obligations.draft_reference(session, here, "gala", demo=True)
    return obligations.Draft(reference, "gala", Money(minor), "Zanele Mokoena")


def is_of_a_shift(href: str) -> bool:
    return urlsplit(href).path == "/shift"


def followed(session, here, href: str) -> Summed:
    """The count and sum of the list that an address opens, as it is read for this person."""
    if is_of_a_shift(href):
        return till_rows.of(session, here, asked_in(dict(parse_qsl(urlsplit(href).query)))).all
    return search.totals(session, here, meant(href))


def doors_of(at) -> set[tuple[str, str, str]]:
    return {tuple(map(html.unescape, found)) for found in _DOOR.findall(bodies(at))}


def bodies(at) -> str:
    return "".join(node.proto.body for node in at._tree if node.type == "html")


def meant(href: str) -> search.Filter:
    """The filter that an address of the Payments page stands for."""
    return filters.from_page(dict(parse_qsl(urlsplit(href).query)), dates.business_day(NOON))


def opened(desk, href: str):  # noqa: F811
    parts = urlsplit(href)
    pages = {Path(page).stem: page for page in PAGES}
    at = desk.open(pages[parts.path.lstrip("/")], **dict(parse_qsl(parts.query)))
    assert not at.exception, href
    assert not at.error, href
    return at


@pytest.mark.parametrize(("rand", "top"), [(90_000, "R100\u00a0000"), (1_900_000, "R2\u00a0000\u00a0000")])
def test_the_figures_of_a_scale_have_room_beside_its_lines(rand, top):
    """“R150 000” had touched its line."""
    figure = Figure(1, {"ZAR": Money(rand * 100)}, search.Filter())
    column = charts.Column("08:00", (charts.Bar("Today", figure, rand, "today"),))
    drawn = charts.columns([column], "Paid per hour", stacked=False, unit="R")
    assert f">{top}</span>" in drawn
    assert f'style="--signs:{len(top)}"' in drawn

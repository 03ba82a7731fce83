"""Who finds what: payments of the events one has, by whichever way they are read, and of no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from db.models import Event
from payments.access.people import Person, Role
from payments.errors import NotFound
from payments.finding import by_index, conditions, found, search
from payments.finding.search import Filter, Totals
from payments.references import with_check
from tests.desk import ADMIN
from tests.test_search import KNOWN, READS, added_up, crowd, filters, known, of_a_crowd, of_one_known

__all__ = ["crowd", "known", "of_a_crowd", "of_one_known"]


def organiser_of(*events: Event) -> Person:
    scope = frozenset(event.id for event in events)
    return Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, scope)


@READS
@given(wanted=filters())
def test_an_organiser_sees_nothing_of_another_event(crowd: Session, wanted: Filter):
    mine = organiser_of(crowd.scalars(select(Event).where(Event.code == "gala")).one())
    rows = list(search.rows(crowd, mine, wanted))
    assert {row.event_code for row in rows} <= {"gala"}
    assert rows == [row for row in search.rows(crowd, ADMIN, wanted) if row.event_code == "gala"]
    assert search.totals(crowd, mine, wanted) == added_up(rows)
    assert list(search.page(crowd, mine, wanted, size=500).rows) == rows


@pytest.mark.parametrize("more", [0, by_index.MERGED_EVENTS])
def test_a_person_of_many_events_gets_the_same_pages_as_of_few(crowd: Session, more: int):
    """Up to so many events a list is merged from each one's newest, above that it is sorted."""
    ids = crowd.scalars(select(Event.id).where(Event.code != "expo")).all()
    scope = frozenset([*ids, *range(1_000, 1_000 + more)])
    person = Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, scope)
    theirs = [row for row in search.rows(crowd, ADMIN, Filter()) if row.event_code != "expo"]
    assert list(search.page(crowd, person, Filter(), number=2, size=30).rows) == theirs[30:60]
    assert list(search.rows(crowd, person, Filter(), chunk=17)) == theirs


@READS
@given(
    wanted=filters(), size=st.integers(1, 30), lately=st.sampled_from([4, 40, 400, 2_000]), old=st.booleans()
)
def test_a_short_cut_to_the_newest_finds_what_the_long_way_does(
    crowd: Session, wanted: Filter, size: int, lately: int, old: bool
):
    """Of many events a page is first looked for among the last payments of all, which may hold none."""
    codes = ("gala",) if old else ("gala", "devconf")
    scope = frozenset([*crowd.scalars(select(Event.id).where(Event.code.in_(codes))), *range(1_000, 1_010)])
    person = Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, scope)
    theirs = [row for row in search.rows(crowd, ADMIN, wanted) if row.event_code in codes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_index, "LATEST", lately)
        pages = [search.page(crowd, person, wanted, number=number, size=size) for number in (1, 2)]
        assert [row for page in pages for row in page.rows] == theirs[: 2 * size]
        assert pages[1].more is (len(theirs) > 2 * size)
        if not wanted.text and len(theirs) > 2:
            after = search.page(crowd, person, wanted, size=size, before_id=theirs[1].id)
            assert list(after.rows) == theirs[2 : size + 2]
            still = search.page(crowd, person, wanted, size=size, newest_id=theirs[1].id)
            assert list(still.rows) == theirs[1 : size + 1]
        assert (
            search.newest(crowd, scope, 5)
            == tuple(row for row in search.rows(crowd, ADMIN, Filter()) if row.event_code in codes)[:5]
        )


@READS
@given(wanted=filters())
def test_totals_of_many_events_are_the_same_whichever_way_they_are_read(crowd: Session, wanted: Filter):
    codes = ("gala", "devconf")
    scope = frozenset([*crowd.scalars(select(Event.id).where(Event.code.in_(codes))), *range(1_000, 1_010)])
    person = Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, scope)
    rows = [row for row in search.rows(crowd, ADMIN, wanted) if row.event_code in codes]
    assert search.totals(crowd, person, wanted) == added_up(rows)


@pytest.mark.parametrize(
    "codes, spread",
    [(("gala", "devconf", "expo"), True), (("gala", "devconf"), True), ((), False)],
)
def test_sqlite_adds_up_what_holds_most_of_everything_as_it_lies(crowd: Session, codes, spread: bool):
    """Event by event each row is a jump: of forty events and 100,000 payments it took five times as long."""
    scope = frozenset([*crowd.scalars(select(Event.id).where(Event.code.in_(codes))), *range(1_000, 1_010)])
    where = conditions.where(crowd, Person(2, "Sipho", "s@example.org", Role.VIEWER, scope), Filter())
    sqlite = crowd.get_bind().dialect.name == "sqlite"
    assert where.spread is (spread and sqlite)
    if sqlite:
        plan = str(crowd.execute(text("EXPLAIN QUERY PLAN " + literally(crowd, found.sums(where)))).all())
        assert ("SCAN payments" in plan) is spread


def literally(session: Session, query) -> str:
    return str(query.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))


@pytest.mark.parametrize("events, parts", [(by_index.FEW_EVENTS, 5), (by_index.MERGED_EVENTS, 1)])
def test_the_newest_of_many_events_are_one_short_question(crowd: Session, events: int, parts: int):
    """Forty parts of a statement took longer to write than to read: twice the time of a page."""
    ids = crowd.scalars(select(Event.id)).all()
    scope = frozenset([*ids, *range(1_000, 1_000 + events - len(ids))])
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_more):
        asked.append(statement)

    event.listen(crowd.get_bind(), "before_cursor_execute", note)
    try:
        search.newest(crowd, scope, 20)
    finally:
        event.remove(crowd.get_bind(), "before_cursor_execute", note)
    assert [one.count("payments.event_id") for one in asked[:-1]] == [parts], "besides reading their rows"


def test_the_newest_of_all_are_how_the_list_begins(crowd: Session):
    assert list(search.newest(crowd, None, 20)) == list(search.rows(crowd, ADMIN, Filter()))[:20]


def test_no_events_means_no_payments(crowd: Session):
    nobody = organiser_of()
    assert search.page(crowd, nobody, Filter()).rows == ()
    assert search.totals(crowd, nobody, Filter()) == Totals(0, {}, {})
    assert list(search.rows(crowd, nobody, Filter())) == []
    assert search.newest(crowd, frozenset(), 50) == ()


def test_another_events_payment_is_not_found_by_its_reference(known: Session):
    other = organiser_of(known.scalars(select(Event).where(Event.code == "gala")).one())
    assert search.find_one(known, other, KNOWN) is None
    assert search.page(known, other, search.parse(KNOWN)).rows == ()
    with pytest.raises(NotFound) as theirs:
        search.get(known, other, KNOWN)
    unknown = with_check("REG", "222222", demo=True)
    with pytest.raises(NotFound) as nobodys:
        search.get(known, other, unknown)
    assert str(theirs.value).replace(KNOWN, "") == str(nobodys.value).replace(unknown, "")

"""A filter as people write it: read as it is meant, written to read the same, refused when unclear."""

import re
from contextlib import suppress
from datetime import date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import words
from db.money import CURRENCIES, Money
from payments.dates import SAST, Span, day_span
from payments.errors import InvalidInput
from payments.finding import grammar
from payments.finding.conditions import ORIGINS, TAKEN, Filter
from payments.finding.when import moving, still
from payments.lifecycle import Method, Status
from payments.live.stages import NO_CODE, NO_LINK, Stage
from payments.selling.exchange import FOREIGN

#: A Wednesday.
TODAY = date(2026, 11, 25)
PENDING = (Status.CREATED, Status.OPEN, Status.CLAIMED, Status.PART_PAID)


@pytest.mark.parametrize(
    "text, wanted",
    [
        pytest.param("", Filter(), id="nothing"),
        pytest.param("thandi mokoena", Filter(text="thandi mokoena"), id="words"),
        pytest.param('"van der  Merwe" x', Filter(text='"van der Merwe" x'), id="words that stand together"),
        pytest.param("-zoe", Filter(without=("zoe",)), id="a word it must not have"),
        pytest.param('-"van der Merwe"', Filter(without=("van der Merwe",)), id="words it must not have"),
        pytest.param("status:paid,open", Filter(statuses=(Status.PAID, Status.OPEN)), id="either of two"),
        pytest.param(
            "status:paid status:open", Filter(statuses=(Status.PAID, Status.OPEN)), id="the same said twice"
        ),
        pytest.param("Status:PAID", Filter(statuses=(Status.PAID,)), id="case does not matter"),
        pytest.param("status:part-paid", Filter(statuses=(Status.PART_PAID,)), id="a dash for an underscore"),
        pytest.param("status:pending", Filter(statuses=PENDING), id="a word for several"),
        pytest.param("-status:waived", Filter(not_statuses=(Status.WAIVED,)), id="not a status"),
        pytest.param("method:cash", Filter(methods=(Method.CASH,)), id="method"),
        pytest.param("event:devconf", Filter(events=("devconf",)), id="event"),
        pytest.param("event:none", Filter(events=("EARLIER",)), id="without an event"),
        pytest.param("-event:None,gala", Filter(not_events=("EARLIER", "gala")), id="none of these"),
        pytest.param('category:"Early bird"', Filter(categories=("Early bird",)), id="category"),
        pytest.param("organiser:thandi", Filter(organisers=("thandi",)), id="organiser"),
        pytest.param(">1000", Filter(amount_from=Money(100_001)), id="more than"),
        pytest.param(">=1000", Filter(amount_from=Money(100_000)), id="at least"),
        pytest.param("<R1 500.00", Filter(amount_to=Money(149_999)), id="less than, as people write it"),
        pytest.param(
            "amount:100..200", Filter(amount_from=Money(10_000), amount_to=Money(20_000)), id="between"
        ),
        pytest.param("=150", Filter(amount_from=Money(15_000), amount_to=Money(15_000)), id="exactly"),
        pytest.param(">=$20", Filter(amount_from=Money(2_000, "USD")), id="another currency"),
        pytest.param("paid:yesterday", Filter(paid=moving("yesterday", TODAY)), id="yesterday"),
        pytest.param("paid:last_week", Filter(paid=moving("last-week", TODAY)), id="last week"),
        pytest.param("created:last-month", Filter(created=moving("last-month", TODAY)), id="last month"),
        pytest.param("created:7d", Filter(created=moving("7-days", TODAY)), id="seven days"),
        pytest.param(
            "paid:last-week as-of:2026-11-24",
            Filter(
                paid=day_span(date(2026, 11, 16), date(2026, 11, 22)),
                as_of=day_span(date(2026, 11, 24)).end - timedelta(microseconds=1),
            ),
            id="days of a past moment stand still",
        ),
        pytest.param(
            "created:2026-02", Filter(created=day_span(date(2026, 2, 1), date(2026, 2, 28))), id="month"
        ),
        pytest.param(
            "paid:2026-11-01..2026-11-03",
            Filter(paid=day_span(date(2026, 11, 1), date(2026, 11, 3))),
            id="days",
        ),
        pytest.param("stage:attempted", Filter(stages=(Stage.ATTEMPTED,)), id="how far its payer came"),
        pytest.param("quoted:usd", Filter(quoted=("USD",)), id="quoted in dollars"),
        pytest.param(
            "quoted:any -quoted:eur", Filter(quoted=FOREIGN, not_quoted=("EUR",)), id="quoted at all"
        ),
        pytest.param("origin:legacy", Filter(origins=("legacy",)), id="records of the earlier system"),
        pytest.param("-stage:paid", Filter(not_stages=(Stage.PAID,)), id="not so far"),
        pytest.param("failure:declined", Filter(failures=("05",)), id="why it failed, as people say it"),
        pytest.param("failure:no_reason,51", Filter(failures=(NO_CODE, "51")), id="or by the gateway's code"),
        pytest.param("failure:code-declined", Filter(failures=("declined",)), id="a code that is a word"),
        pytest.param("needs:attention", Filter(attention=True), id="needs a decision"),
        pytest.param("mode:demo", Filter(mode="demo"), id="mode"),
        pytest.param('12:30 6" +27 82', Filter(text='12:30 6" +27 82'), id="what only looks like grammar"),
        pytest.param("' OR 1=1 --", Filter(text="' OR 1=1 --"), id="a piece of SQL"),
        pytest.param(
            '"status:paid"', Filter(text='"status:paid"'), id="a condition in quotation marks is words"
        ),
    ],
)
def test_what_people_write_is_read_as_they_mean_it(text: str, wanted: Filter):
    assert grammar.read(text, TODAY) == wanted


def test_the_example_everybody_is_shown():
    text = 'event:devconf status:pending >1000 paid:last-week method:cash -status:waived "van der Merwe"'
    assert grammar.read(text, TODAY) == Filter(
        text='"van der Merwe"',
        events=("devconf",),
        statuses=PENDING,
        amount_from=Money(100_001),
        paid=moving("last-week", TODAY),
        methods=(Method.CASH,),
        not_statuses=(Status.WAIVED,),
    )


@pytest.mark.parametrize(
    "text, said",
    [
        pytest.param("colour:blue", "“colour:” is not something to filter by", id="a condition nobody knows"),
        pytest.param("statsu:paid", "by. Did you mean “status:”", id="a slip of the pen"),
        pytest.param("-colour:blue", "“colour:” is not something", id="its contrary"),
        pytest.param(
            "status:payed",
            "“payed” is no status. Did you mean “paid”",
            id="a status nobody knows",
        ),
        pytest.param("method:barter", "“barter” is no method", id="a method nobody knows"),
        pytest.param("stage:arrived", "“arrived” is no stage. There are asked", id="a stage nobody knows"),
        pytest.param("failure:rain", "“rain” is no failure. There are no-link", id="a failure nobody knows"),
        pytest.param("status:", "Nothing stands behind “status:”. Write what it shall be", id="no status"),
        pytest.param("mokoena -Status: >100", "behind “Status:”", id="no status, its contrary, among others"),
        pytest.param("status: paid", "right behind it, like status:paid", id="a space before the status"),
        pytest.param('event:"  "', "Nothing stands behind “event:”", id="an event of quotation marks alone"),
        pytest.param('colour:""', "“colour:” is not something", id="an unknown condition of nothing"),
        pytest.param("method:,", "Nothing stands behind “method:”", id="a method of a comma alone"),
        pytest.param("organiser:", "behind “organiser:”", id="nobody, by another name of the condition"),
        pytest.param(f"status:{'x' * 61}", f"“{'x' * 60}…” is no status", id="a long word is told short"),
        pytest.param("needs:love", "“needs:love” is not known", id="a need nobody knows"),
        pytest.param("mode:test", "is no mode", id="a mode nobody knows"),
        pytest.param(">lots", "“lots” is not an amount", id="an amount in words"),
        pytest.param(">1,5", "is not an amount", id="an amount read in two ways"),
        pytest.param("> 1000", "is not an amount", id="a sign alone"),
        pytest.param("paid:someday", "“paid:someday” is no time", id="a time nobody knows"),
        pytest.param("paid:2026-13", "is no time", id="a month that is not"),
        pytest.param("paid:2026-11-03..2026-11-01", "is no time", id="days the wrong way round"),
        pytest.param("paid:..", "is no time", id="a range of nothing"),
        pytest.param("paid:today paid:yesterday", "Two different values are given for paid", id="two times"),
        pytest.param(">100 >200", "Two different values are given for amount from", id="two bounds"),
        pytest.param("-paid:today", "A minus cannot stand before paid:", id="not a time"),
        pytest.param("->100", "A minus cannot stand before an amount", id="not an amount"),
        pytest.param('"van der Merwe', "A quotation mark is not closed", id="half a quotation"),
        pytest.param("4111 1111 1111 1111", "card number", id="a card number"),
    ],
)
def test_what_cannot_be_read_is_said_and_never_left_out(text: str, said: str):
    with pytest.raises(InvalidInput, match=said.replace(".", r"\.")):
        grammar.read(text, TODAY)


_WORD = st.from_regex(r"\A[a-z0-9éë=:<>_.@+'-]{1,8}\Z")
_TEXT = st.lists(_WORD, max_size=3).map(lambda words: grammar.write(Filter(text=" ".join(words))))
_NAME = st.from_regex(r"\A[A-Za-z0-9,:.-]{1,6}( [a-z,]{1,5})?\Z")
_NAMES = st.lists(_NAME, max_size=3, unique=True).map(tuple)
_STATUSES = st.lists(st.sampled_from(Status), max_size=4, unique=True).map(tuple)
_METHODS = st.lists(st.sampled_from(Method), max_size=3, unique=True).map(tuple)
_STAGES = st.lists(st.sampled_from(Stage), max_size=4, unique=True).map(tuple)
_FAILURES = st.lists(
    st.sampled_from((NO_LINK, "05", "51", "declined", "code-x", "no-link"))
    | st.from_regex(r"\A[A-Za-z0-9-]{1,12}\Z"),
    max_size=3,
    unique=True,
).map(tuple)
_QUOTED = st.lists(st.sampled_from(FOREIGN), max_size=2, unique=True).map(tuple)
_ORIGINS = st.lists(st.sampled_from(ORIGINS), max_size=2, unique=True).map(tuple)
_TAKEN = st.lists(st.sampled_from(TAKEN), max_size=4, unique=True).map(tuple)
_MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=SAST))
_SPANS = st.one_of(
    st.none(),
    st.sampled_from(("today", "yesterday", "this-week", "last-month", "30-days")).map(
        lambda word: moving(word, TODAY)
    ),
    st.tuples(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 400)).map(
        lambda pair: day_span(pair[0], pair[0] + timedelta(days=pair[1]))
    ),
    st.tuples(_MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=3))).map(
        lambda pair: Span(pair[0], pair[0] + pair[1])
    ),
)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    currency = draw(st.sampled_from(CURRENCIES))
    amounts = st.none() | st.integers(0, 100_000_000).map(lambda minor: Money(minor, currency))
    return Filter(
        text=draw(_TEXT),
        without=tuple(dict.fromkeys(draw(st.lists(_WORD, max_size=2)))),
        statuses=draw(_STATUSES),
        methods=draw(_METHODS),
        events=draw(_NAMES),
        categories=draw(_NAMES),
        organisers=draw(_NAMES),
        stages=draw(_STAGES),
        failures=draw(_FAILURES),
        origins=draw(_ORIGINS),
        quoted=draw(_QUOTED),
        mode=draw(st.sampled_from((None, "demo", "live"))),
        amount_from=draw(amounts),
        amount_to=draw(amounts),
        created=draw(_SPANS),
        paid=draw(_SPANS),
        captured=draw(_SPANS),
        settled=draw(_SPANS),
        banked=draw(_SPANS),
        refunded=draw(_SPANS),
        taken=draw(_TAKEN),
        attention=draw(st.booleans()),
        review_only=draw(st.booleans()),
        outcome_unknown=draw(st.booleans()),
        mail_failed=draw(st.booleans()),
        not_statuses=draw(_STATUSES),
        not_methods=draw(_METHODS),
        not_events=draw(_NAMES),
        not_categories=draw(_NAMES),
        not_organisers=draw(_NAMES),
        not_stages=draw(_STAGES),
        not_failures=draw(_FAILURES),
        not_origins=draw(_ORIGINS),
        not_quoted=draw(_QUOTED),
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("status:payed", "paid"), ("method:csh", "cash"), ("stage:openned", "opened"),
        ("failure:decline", "declined"), ("origin:apii", "api"), ("quoted:euro", "EUR"),
        ("needs:atention", "attention"), ("mode:liv", "live"), ("taken:card", "card_slip"),
    ],
)  # fmt: skip
def test_a_mistyped_value_is_told_which_was_meant(typed: str, meant: str):
    """Keys were, and a value had a list of fourteen to be read through."""
    with pytest.raises(InvalidInput, match=f"Did you mean “{meant}”") as told:
        grammar.read(typed, TODAY)
    assert str(told.value).endswith("put it in quotation marks.")
    assert grammar.read(f'"{typed}"', TODAY) == Filter(text=f'"{typed}"')


def test_what_is_no_amount_can_be_looked_for_as_words():
    with pytest.raises(InvalidInput, match="put it in quotation marks"):
        grammar.read("<script>", TODAY)


@pytest.mark.parametrize(
    ("word", "first", "last"),
    [
        ("today", date(2026, 11, 25), date(2026, 11, 25)),
        ("yesterday", date(2026, 11, 24), date(2026, 11, 24)),
        ("last-week", date(2026, 11, 16), date(2026, 11, 22)),
        ("last-month", date(2026, 10, 1), date(2026, 10, 31)),
        ("7-days", date(2026, 11, 19), date(2026, 11, 25)),
    ],
)
def test_a_word_for_days_means_those_of_the_day_it_is_asked_on(word: str, first: date, last: date):
    """It was written as those days, so that whoever kept *last week* kept one week for ever."""
    wanted = grammar.read(f"paid:{word}", TODAY)
    assert wanted.paid is not None
    assert still(wanted.paid) == day_span(first, last)
    assert grammar.write(wanted) == f"paid:{word}"
    assert wanted.on_day(first) == grammar.read(f"paid:{word}", first)
    days = Filter(paid=day_span(first, last))
    assert days.on_day(date(2027, 1, 1)) == days


@given(wanted=filters())
@example(wanted=Filter(without=("-", "--x")))  # two minuses are a word
def test_what_is_written_reads_as_the_same_filter(wanted: Filter):
    assert grammar.read(grammar.write(wanted), TODAY) == wanted


@pytest.mark.parametrize("key", grammar.KEYS)
def test_what_is_shown_for_a_condition_with_nothing_behind_it_can_be_typed(key: str):
    with pytest.raises(InvalidInput) as refused:
        grammar.read(f"{key}:", TODAY)
    shown = re.search(r"like (\S+)\. To", str(refused.value))
    assert shown is not None
    assert shown[1].startswith(f"{key}:")
    assert grammar.read(shown[1], TODAY) != Filter()


@pytest.mark.parametrize("why", words.FAILURE)
def test_each_failure_that_has_a_sentence_has_a_word_to_type(why: str):
    written = grammar.write(Filter(failures=(why,)))
    assert written.removeprefix("failure:") in grammar.FAILURES


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str):
    with suppress(InvalidInput):
        wanted = grammar.read(text, TODAY)
        assert grammar.read(grammar.write(wanted), TODAY) == wanted

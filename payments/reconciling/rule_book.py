"""Rules that people write: kept by version, tried on a year of lines, and let act only once they were right.

A rule goes from off to shadow, where what it would do is compared with what people did, and after its days
to live, by itself once enough lines proved it. One that falls under 99.5 % switches itself off, or goes back
where few lines judge it. What it does, matching's order bounds: a human decision and an exact open reference
outrank it, and the amount alone never decides.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import (
    BankAccount,
    Match,
    MatchPart,
    MatchRule,
    MatchRuleVersion,
    Payment,
    StatementLine,
)
from payments import dates
from payments.access.people import SYSTEM, Action, Person, check
from payments.bank.overlaps import GONE
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.live import tallies
from payments.matching import Line, Way
from payments.matching.rule_json import (
    condition_from_json,
    condition_to_json,
    example_from_json,
    example_to_json,
)
from payments.matching.rules import (
    STANDARD,
    BackTest,
    Condition,
    Decided,
    Rule,
    Says,
    State,
    back_test,
    examples_that_fail,
    good_enough,
    next_state,
)
from payments.privacy import clean, clean_line, reason

#: A rule is tried on the lines of so many days, the newest of them.
YEAR, MOST_LINES = 365, 20_000
SHADOW_DAYS = 14


@dataclass(frozen=True)
class RuleDraft:
    """What a person wrote. ``must`` and ``must_not`` are lines that it has to fit and to leave alone."""

    name: str
    order: int
    condition: Condition
    says: Says
    value: str = ""
    must: tuple[Line, ...] = ()
    must_not: tuple[Line, ...] = ()


@dataclass(frozen=True)
class RuleView:
    """A rule and where it stands. ``id`` None: one that every desk begins with."""

    id: int | None
    rule: Rule
    shadow_days: int
    since: datetime | None
    by: str
    why: str


#: Lines that are shown of those that a rule would have matched.
FIRST = 10


@dataclass(frozen=True)
class Tried:
    """``test`` holds it against what people did; ``fits`` of ``lines`` in a year, whoever decided them."""

    lines: int
    fits: int
    test: BackTest
    #: The newest lines that it would have matched.
    first: tuple[Line, ...] = ()

    @property
    def says(self) -> str:
        """ "Would have matched 412 of 1 930; 409 agree with what people did, 3 disagree." """
        if not self.fits:
            return f"It would have matched none of {self.lines} lines of the last 12 months."
        judged = self.test.agreed + len(self.test.disagreed)
        undecided = f"; of {self.fits - judged} nobody said what they are" if self.fits > judged else ""
        return (
            f"It would have matched {self.fits} of {self.lines} lines of the last 12 months: "
            f"{self.test.agreed} agree with what people did, {len(self.test.disagreed)} disagree{undecided}."
        )


def rules(session: Session, person: Person) -> list[RuleView]:
    """All, in the order they are asked; those of every desk among them."""
    check(person, Action.SEE_BANK)
    standard = [RuleView(None, rule, 0, None, "", "") for rule in STANDARD]
    return sorted([*standard, *_views(session)], key=lambda one: (one.rule.order, one.id or 0))


def live(session: Session) -> list[Rule]:
    """What matching asks: the rules of every desk, and those that people wrote and that act."""
    return [*STANDARD, *(one.rule for one in _views(session) if one.rule.state is State.LIVE)]


def _views(session: Session) -> list[RuleView]:
    query = (
        select(MatchRule, MatchRuleVersion)
        .join(MatchRuleVersion, MatchRuleVersion.rule_id == MatchRule.id)
        .where(MatchRuleVersion.version == MatchRule.version)
        .order_by(MatchRule.position, MatchRule.id)
    )
    return [
        RuleView(row.id, _rule(row, told), row.shadow_days, row.since, row.by, row.why)
        for row, told in session.execute(query)
    ]


def _rule(row: MatchRule, told: MatchRuleVersion) -> Rule:
    must, must_not = (
        tuple(example_from_json(one) for one in told.examples[key]) for key in ("must", "must_not")
    )
    return Rule(
        row.name, row.position, condition_from_json(told.condition), Says(told.says), told.value, row.version,
        State(row.state), must, must_not,
    )  # fmt: skip


# -- writing ------------------------------------------------------------------------------------------


def save(
    session: Session, person: Person, draft: RuleDraft, *, now: datetime, rule_id: int | None = None
) -> int:
    """A new rule, or another version of one, which is off until it is tried again. Returns the rule.

    Raises InvalidInput (it is wrong about an example, or has none), Conflict (the name is taken), NotFound.
    """
    check(person, Action.RECONCILE)
    rule = _checked(draft)
    row = _locked(session, rule_id) if rule_id is not None else None
    taken = session.scalar(select(MatchRule.id).where(MatchRule.name == rule.name))
    if (taken is not None and taken != rule_id) or any(rule.name == one.name for one in STANDARD):
        raise Conflict(f"There is a rule called {rule.name} already.")
    if row is None:
        row = MatchRule(shadow_days=SHADOW_DAYS, version=0)
        session.add(row)
    row.name, row.position, row.version = rule.name, rule.order, row.version + 1
    _move(row, State.OFF, person.name, "A new version.", now)
    session.flush()
    session.add(
        MatchRuleVersion(
            rule_id=row.id, version=row.version, condition=condition_to_json(rule.condition),
            says=rule.says, value=rule.value, made_at=now, made_by=person.name,
            examples={
                "must": [example_to_json(one) for one in rule.must],
                "must_not": [example_to_json(one) for one in rule.must_not],
            },
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, person, "save_rule", rule.name, now=now, rule=row.id, version=row.version,
        condition=condition_to_json(rule.condition), says=rule.says, value=rule.value,
    )  # fmt: skip
    tallies.bump(session)
    return row.id


def _checked(draft: RuleDraft) -> Rule:
    name = clean_line(draft.name, field="The name", longest=60)
    value = clean(draft.value, field="The value", longest=200)
    if not name or not 1 <= draft.order <= 9999:
        raise InvalidInput("A rule needs a name, and a place from 1 to 9999.")
    if draft.says in (Says.ASIDE, Says.PAYER) and not value:
        what = "why it is no payment" if draft.says is Says.ASIDE else "whom its payer pays for"
        raise InvalidInput(f"Say {what}.")
    if not draft.must or not draft.must_not:
        raise InvalidInput("Give it a line that it must fit, and one that it must leave alone.")
    condition = condition_from_json(condition_to_json(draft.condition))  # within its bounds
    rule = Rule(
        name, draft.order, condition, draft.says, value.lower() if draft.says is Says.PAYER else value,
        must=draft.must, must_not=draft.must_not,
    )  # fmt: skip
    if wrong := examples_that_fail(rule):
        raise InvalidInput(" ".join(wrong))
    return rule


def _locked(session: Session, rule_id: int) -> MatchRule:
    row = session.scalar(select(MatchRule).where(MatchRule.id == rule_id).with_for_update())
    if row is None:
        raise NotFound("There is no such rule.")
    return row


def _move(row: MatchRule, state: State, by: str, why: str, now: datetime) -> None:
    row.state, row.since, row.by, row.why = state, now, by, why


# -- trying -------------------------------------------------------------------------------------------


def try_out(session: Session, person: Person, draft: RuleDraft, *, now: datetime) -> Tried:
    """What a rule would have done with the lines of the last year. Raises InvalidInput: it is too slow."""
    check(person, Action.SEE_BANK)
    rule = Rule(
        draft.name, draft.order, draft.condition, draft.says, draft.value, must=draft.must,
        must_not=draft.must_not,
    )  # fmt: skip
    return _try(session, rule, now)


def _try(session: Session, rule: Rule, now: datetime) -> Tried:
    lines = _lines(session, now - timedelta(days=YEAR))
    fits = [line for line in lines if rule.condition.fits(line)]
    judged = _judged(session, rule, fits)
    newest = sorted(fits, key=lambda line: (line.on, line.id), reverse=True)[:FIRST]
    return Tried(len(lines), len(fits), back_test(rule, judged), tuple(newest))


def _lines(session: Session, since: datetime) -> list[Line]:
    query = (
        select(StatementLine, BankAccount.name)
        .join(BankAccount, BankAccount.id == StatementLine.account_id)
        .where(StatementLine.state != GONE, StatementLine.on >= dates.business_day(since))
        .order_by(StatementLine.id.desc())
        .limit(MOST_LINES)
    )
    return [
        Line(row.id, row.on, row.amount, row.description, row.reference, account)
        for row, account in session.execute(query)
    ]


def _judged(session: Session, rule: Rule, lines: Sequence[Line]) -> list[Decided]:
    """The lines that people, or evidence other than this rule, said something of, in the rule's words."""
    by_id = {line.id: line for line in lines}
    found = []
    for match, targets, contacts in _matches(session, list(by_id)):
        if not _is_own(rule, match):
            says, value = _in_words(rule, match.way, targets, contacts)
            found.append(Decided(by_id[match.line_id], says, value))
    return found


def _matches(session: Session, line_ids: Sequence[int]) -> Iterator[tuple[Match, set[str], set[str]]]:
    """Each standing match of these lines with what its parts are for, and the contacts of its payments."""
    for some in some_at_once(line_ids):
        parts: dict[int, tuple[Match, set[str], set[str]]] = {}
        query = (
            select(Match, MatchPart.target, Payment.payer_email, Payment.payer_phone)
            .join(MatchPart, MatchPart.match_id == Match.id)
            .outerjoin(Payment, Payment.id == MatchPart.payment_id)
            .where(Match.line_id.in_(some), Match.undone_at.is_(None))
            .order_by(Match.id)
        )
        for match, target, email, phone in session.execute(query):
            _, targets, contacts = parts.setdefault(match.id, (match, set(), set()))
            targets.add(target)
            contacts |= {one for one in (email, phone) if one}
        yield from parts.values()


def _is_own(rule: Rule, match: Match) -> bool:
    return match.how == "auto" and match.rule.startswith(f"{rule.name} v")


def _in_words(rule: Rule, way: str, targets: set[str], contacts: set[str]) -> tuple[Says | None, str]:
    """What people made of a line, as a rule would say it."""
    if "payout" in targets:
        return Says.PAYOUT, ""
    if "bag" in targets:
        return (Says.CARD if way == Way.CARD else Says.CASH), ""
    if "payment" in targets:
        if rule.says is Says.FOREIGN:  # it only says how the money came
            return Says.FOREIGN, ""
        return Says.PAYER, rule.value if rule.value in contacts else next(iter(sorted(contacts)), "")
    return (Says.ASIDE if targets == {"aside"} else None), ""


# -- letting it act -----------------------------------------------------------------------------------


def start_shadow(
    session: Session, person: Person, rule_id: int, *, days: int = SHADOW_DAYS, now: datetime
) -> Tried:
    """From now on it is compared with what people do, and does nothing.

    Raises Conflict when the last year speaks against it.
    """
    check(person, Action.RECONCILE)
    if not 1 <= days <= 365:
        raise InvalidInput("A rule stays in the shadow for 1 to 365 days.")
    row = _locked(session, rule_id)
    if row.state != State.OFF:
        raise Conflict(f"{row.name} is {row.state} already.")
    tried = _try(session, _view_of(session, rule_id).rule, now)
    judged = tried.test.agreed + len(tried.test.disagreed)
    if judged and not good_enough(tried.test.agreed, len(tried.test.disagreed)):
        raise Conflict(f"{tried.says} A rule must agree in 99.5 % of them.")
    row.shadow_days = days
    _move(row, State.SHADOW, person.name, tried.says, now)
    _record(session, person, row, now, tried.says)
    return tried


def go_live(session: Session, person: Person, rule_id: int, *, now: datetime) -> Tried:
    """From now on it acts. Raises Conflict before its shadow days are over, or when it was not right."""
    check(person, Action.RECONCILE)
    row = _locked(session, rule_id)
    if row.state != State.SHADOW:
        raise Conflict(f"{row.name} goes live from the shadow only.")
    until = row.since + timedelta(days=row.shadow_days)
    if now < until:
        raise Conflict(f"{row.name} stays in the shadow until {dates.say_moment(until)}.")
    tried = _try(session, _view_of(session, rule_id).rule, now)
    if not tried.test.may_go_live:
        raise Conflict(f"{tried.says} A rule must agree in 99.5 % of them, and of one at least.")
    _move(row, State.LIVE, person.name, tried.says, now)
    _record(session, person, row, now, tried.says)
    return tried


def switch_off(session: Session, person: Person, rule_id: int, why: str, *, now: datetime) -> None:
    """It does nothing any more; what it matched stays. Raises Conflict, InvalidInput, NotFound."""
    check(person, Action.RECONCILE)
    why = reason(why)
    row = _locked(session, rule_id)
    if row.state == State.OFF:
        raise Conflict(f"{row.name} is off already.")
    _move(row, State.OFF, person.name, why, now)
    _record(session, person, row, now, why)


def _record(session: Session, person: Person, row: MatchRule, now: datetime, why: str) -> None:
    session.flush()
    audit.record(
        session, person, f"rule_{row.state}", row.name, now=now, rule=row.id, version=row.version, why=why
    )
    tallies.bump(session)


def _view_of(session: Session, rule_id: int) -> RuleView:
    return next(one for one in _views(session) if one.id == rule_id)


# -- by itself ----------------------------------------------------------------------------------------


def review(session: Session, *, now: datetime, lines: Iterable[Line] = ()) -> list[str]:
    """Move each rule by its history; a rule too slow for ``lines`` is switched off. What became of which."""
    told = []
    open_lines = list(lines)
    for view in _views(session):
        if view.rule.state is State.OFF or view.id is None or view.since is None:
            continue
        state, why = _reviewed(session, view, open_lines, now)
        if state is not view.rule.state:
            row = _locked(session, view.id)
            _move(row, state, SYSTEM.name, why, now)
            _record(session, SYSTEM, row, now, why)
            told.append(f"{view.rule.name}: {state}")
    return told


def _reviewed(session: Session, view: RuleView, lines: Sequence[Line], now: datetime) -> tuple[State, str]:
    rule = view.rule
    try:
        for line in lines:
            rule.condition.fits(line)
        verdicts = _verdicts(session, view)
    except InvalidInput as error:  # its expression took too long
        return State.OFF, str(error)
    assert view.since is not None
    state = next_state(
        rule.state, verdicts, shadow_days=(now - view.since).days, wanted_days=view.shadow_days
    )
    right = sum(verdicts)
    return state, f"Of its last {len(verdicts)} lines people agreed with {right}."


def _verdicts(session: Session, view: RuleView) -> list[bool]:
    """Whether people agreed since it is where it is, the oldest first; its own matches stand until undone."""
    rule, since = view.rule, view.since
    assert since is not None
    lines = {line.id: line for line in _lines(session, since - timedelta(days=60))}
    fits = [line for line in lines.values() if rule.condition.fits(line)]
    found: list[tuple[datetime, bool]] = []
    for match, targets, contacts in _matches(session, [line.id for line in fits]):
        if match.at < since:
            continue
        if _is_own(rule, match):
            found.append((match.at, True))
        else:
            says, value = _in_words(rule, match.way, targets, contacts)
            test = back_test(rule, [Decided(lines[match.line_id], says, value)])
            found.append((match.at, bool(test.agreed)))
    undone = select(Match.undone_at).where(
        Match.rule.startswith(f"{rule.name} v", autoescape=True),
        Match.how == "auto",
        Match.undone_at >= since,
    )
    found += [(at, False) for at in session.scalars(undone) if at is not None]
    return [agreed for _, agreed in sorted(found)]


def copy_of(view: RuleView) -> RuleDraft:
    """A rule as a draft, to be changed."""
    rule = view.rule
    return RuleDraft(rule.name, rule.order, rule.condition, rule.says, rule.value, rule.must, rule.must_not)

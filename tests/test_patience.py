"""What is expected of open payments: the life table, the law of their sum, and whether what came lay within
the band as often as it says, on simulated seasons."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from benchmarks.score.forecast import HORIZONS, Said, replay
from payments import patience
from payments.patience import Band, Book

#: Seasons that the long run holds out.
SEASONS = (61, 63, 66, 70)


def a_book(rows: list[tuple[float, float, bool]], *, starts: float = 500.0, event: int = 0) -> Book:
    """Payments of R100 by when they began, ended, and whether they were paid."""
    began, ended, paid = zip(*rows, strict=True)
    count = len(rows)
    return Book(
        np.full(count, event), np.zeros(count, dtype=np.int64), np.full(count, 10_000),
        np.array(began, float), np.array(ended, float), np.array(paid, bool), np.full(count, starts),
    )  # fmt: skip


def learned(book: Book, now: float) -> patience.Pace:
    return patience.learn(patience.see(book, now, events=int(book.event.max()) + 1, channels=1))


def steadily(share: float) -> list[tuple[float, float, bool]]:
    """Two thousand that end at ten in a hundred a day, of which a share is paid."""
    ages = -np.log1p(-(np.arange(2_000) + 0.5) / 2_000) / 0.1
    return [(0.0, float(age), nth % 10 < share * 10) for nth, age in enumerate(ages)]


def test_a_steady_pace_is_learned_and_what_is_let_go_is_not_paid():
    for share in (1.0, 0.5, 0.0):
        pace = learned(a_book(steadily(share)), 200.0)
        one = a_book([(200.0, np.inf, False)], starts=700.0)
        by_7, by_30 = patience.chances(pace, one, 200.0, (7, 30))[:, 0]
        assert by_7 == pytest.approx(share * (1 - np.exp(-0.7)), abs=0.03)
        assert by_30 == pytest.approx(share * (1 - np.exp(-3.0)), abs=0.03)


def test_whoever_has_waited_long_is_not_taken_for_new():
    """Nine of ten pay within the hour; of the rest one in a hundred a day."""
    rows = [(0.0, 0.02, True)] * 900 + [(0.0, float(1 + nth), True) for nth in range(50)]
    pace = learned(a_book(rows + [(0.0, np.inf, False)] * 50), 100.0)
    fresh, old = a_book([(100.0, np.inf, False)], starts=700.0), a_book([(60.0, np.inf, False)], starts=700.0)
    assert patience.chances(pace, fresh, 100.0, (1,))[0, 0] > 0.8
    assert patience.chances(pace, old, 100.0, (1,))[0, 0] < 0.1


def test_a_rush_as_the_event_comes_near_is_known_to_those_who_waited():
    rows = [(0.0, 96.0 + nth / 100, True) for nth in range(300)] + [(0.0, np.inf, False)] * 100
    pace = learned(a_book(rows, starts=100.0), 100.0)
    for days_before, least, most in ((60.0, 0.0, 0.1), (5.0, 0.5, 1.0)):
        one = a_book([(30.0, np.inf, False)], starts=100.0 + days_before)
        assert least <= patience.chances(pace, one, 100.0, (5,))[0, 0] <= most


def test_days_are_spent_in_the_cells_they_belong_to():
    """Every payment's, whichever others walk beside it; none is lost at an edge."""
    dice = np.random.default_rng(7)
    began, starts = dice.uniform(0, 90, 300), dice.uniform(-20, 200, 300)
    began[:5], starts[:5] = 10.0, (10.0, 17.0, 12.0, 70.0, 40.0)  # on edges of age and nearness
    book = replace(a_book([(float(day), np.inf, False) for day in began]), starts=starts)
    since, until = 30.0, np.minimum(began + dice.choice((0.1, 5, 40, 80), 300), 140.0)
    spent = np.zeros((300, len(patience.AGES) - 1, len(patience.NEARNESS) - 1))
    for places, age, near, took in patience.time_in_cells(book, since, until):
        assert len(set(places.tolist())) == len(places)
        spent[places, age, near] += took
    first = np.maximum(began, since)
    assert spent.sum((1, 2)) == pytest.approx(np.maximum(until - first, 0))
    for age, near in np.ndindex(spent.shape[1:]):
        low = np.maximum(np.maximum(first, began + patience.AGES[age]), starts + patience.NEARNESS[near])
        high = np.minimum(
            np.minimum(until, began + patience.AGES[age + 1]), starts + patience.NEARNESS[near + 1]
        )
        assert spent[:, age, near] == pytest.approx(np.maximum(high - low, 0), abs=1e-9)


def test_those_that_are_alike_may_stand_together():
    """Few of them, and more than are added up one by one."""
    for many in (3, 60):
        sizes, chances = np.array([10_000, 25_000]), np.array([0.2, 0.6])
        together = patience.band([(sizes, chances, np.array([many, many]))], 0.4)
        apart = patience.band([(np.repeat(sizes, many), np.repeat(chances, many))], 0.4)
        assert (together.low, together.mean, together.high) == pytest.approx(
            (apart.low, apart.mean, apart.high)
        )


@pytest.mark.parametrize("chance", [0.3, 0.01, 0.001])
def test_a_small_part_of_many_events_is_not_taken_for_nothing(chance: float):
    """Thirty events of five hundred payments: the band lies about the mean, as wide as chance makes it."""
    one = (np.full(500, 10_000), np.full(500, chance))
    band = patience.band([one] * 30, 0.0)
    mean, deviation = 30 * 500 * 1e4 * chance, np.sqrt(30 * 500 * chance * (1 - chance)) * 1e4
    assert band.mean == pytest.approx(mean)
    off = 1.28 * deviation
    step = 30 * 500 * 1e4 / 600 / min(32, max(1, 0.1 / chance))
    assert (mean - band.low, band.high - mean) == pytest.approx((off, off), rel=0.1, abs=2 * step)


def test_the_law_of_many_has_their_mean_and_variance():
    """As chance by chance, without places between which they are shared."""
    dice = np.random.default_rng(3)
    share = patience.Share(dice.integers(1_000, 90_000, 500), dice.uniform(0.001, 0.999, 500))
    unit = 1e5
    leaning = patience._leaning(patience._PLACES, 0.3)
    first, law = patience._law(share, unit, leaning)
    steps = first + np.arange(len(law))
    mean = float((law * steps).sum()) * unit
    assert mean == pytest.approx(float((share.minor * share.chance).sum()), rel=2e-3)
    each = patience._leaning(patience._inverse(share.chance), 0.3)
    by_part = (each * share.minor).sum(1)
    within = (each * (1 - each) * share.minor**2.0).sum(1).mean()
    deviation = np.sqrt(float((law * steps**2).sum()) * unit**2 - mean**2)
    assert deviation == pytest.approx(np.sqrt(within + by_part.var()), rel=0.01)


def test_a_day_has_one_answer_whichever_other_days_are_asked_for():
    book = a_book([*steadily(0.8), (190.0, np.inf, False)])
    pace, one = learned(book, 200.0), book.only(book.open)
    some = patience.chances(pace, one, 200.0, (0.4, 2.5, 7, 20, 45))[:, 0]
    alone = [patience.chances(pace, one, 200.0, (days,))[0, 0] for days in (0.4, 2.5, 7, 20, 45)]
    assert list(some) == alone
    assert list(some) == sorted(some)


def test_the_sum_of_a_few_is_told_exactly():
    """Against all that can happen, counted out."""
    sizes, chances = np.array([10_000, 25_000, 65_000]), np.array([0.2, 0.5, 0.7])
    likely: dict[int, float] = {}
    for paid in product((0, 1), repeat=3):
        sum_ = int((sizes * paid).sum())
        likely[sum_] = likely.get(sum_, 0) + float(np.prod(np.where(paid, chances, 1 - chances)))
    for percent in (50, 80, 90):
        tail, so_far, edges = (100 - percent) / 200, 0.0, []
        for sum_ in sorted(likely):
            if so_far < tail <= so_far + likely[sum_] or so_far < 1 - tail <= so_far + likely[sum_]:
                edges.append(sum_)
            so_far += likely[sum_]
        band = patience.band([(sizes, chances)], 0.0, percent=percent)
        mean = float((sizes * chances).sum())
        assert (band.low, band.high) == pytest.approx(
            (min(edges[0], mean), max(edges[-1], mean)), abs=100_000 / 300
        )
        assert band.mean == pytest.approx(mean)


def test_events_that_differ_make_the_band_wider_and_keep_the_mean():
    many = [(np.full(200, 10_000), np.full(200, 0.4))]
    narrow, wide = (patience.band(many, spread) for spread in (0.0, 0.5))
    assert narrow.mean == wide.mean
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    two = patience.band([(np.full(100, 10_000), np.full(100, 0.4))] * 2, 0.5)
    assert two.high - two.low < wide.high - wide.low  # two that differ make up for each other


def test_nothing_open_and_what_is_certain_have_no_band():
    assert patience.band([], 0.3) == Band(0.0, 0.0, 0.0)
    sure = patience.band([(np.array([5_000]), np.array([0.0]))], 0.3)
    assert (sure.low, sure.high) == (0.0, 0.0)


@pytest.fixture(scope="module")
def said() -> list[Said]:
    return [one for seed in SEASONS for one in replay(seed)]


def _share_within(said: list[Said], wide: float = 1.0) -> float:
    """With each band so many times as wide about its mean."""

    def held(one: Said) -> bool:
        low, high = (one.band.mean + wide * (edge - one.band.mean) for edge in (one.band.low, one.band.high))
        return low - 1 <= one.came <= high + 1

    return sum(map(held, said)) / len(said)


def test_what_came_lay_within_the_band_as_often_as_it_says(said: list[Said]):
    """Half as wide, or twice, it does not: this would be seen."""
    together = [one for one in said if one.whole]
    nominal = sum(one.band.holds for one in together) / len(together)
    assert abs(_share_within(together) - nominal) < 0.07
    assert _share_within(together, 0.5) < nominal - 0.15
    assert _share_within(together, 2.0) > nominal + 0.10


def test_what_is_expected_is_neither_too_much_nor_too_little(said: list[Said]):
    for horizon in HORIZONS:
        mine = [one for one in said if one.whole and one.horizon == horizon]
        off = sum(one.band.mean - one.came for one in mine) / sum(one.open for one in mine)
        assert abs(off) < 0.04

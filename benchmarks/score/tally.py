"""What is counted of a run, for each channel apart."""

from collections import Counter
from dataclasses import dataclass, field

from simulator.bank import Truth

CHANNELS = ("eft", "cash", "card", "payout", "foreign", "returned", "none")


@dataclass
class Channel:
    lines: int = 0
    right: int = 0  # closed without a hand, as it really was
    partly: int = 0  # what was owed is closed without a hand, rightly; the rest waits
    wrong: int = 0  # closed without a hand, and not as it was
    value_minor: int = 0
    closed_minor: int = 0  # of the value, closed rightly without a hand

    def add(self, other: "Channel") -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Tally:
    channels: dict[str, Channel] = field(default_factory=lambda: {name: Channel() for name in CHANNELS})
    damaged: int = 0  # references that arrived damaged
    healed: int = 0  # of those, the payment proposed is the one that was meant
    healed_closed: int = 0  # and it was closed rightly without a hand
    healed_wrong: int = 0  # lines put on another's payment by a reference that was not theirs
    absent: int = 0
    explained_minor: int = 0  # gross of captures, in the payout they really were in
    payouts_minor: int = 0
    right_days: int = 0  # payouts whose trading days are told rightly as well
    corrected: int = 0  # captures and refunds somebody put right when they seemed late
    ambiguous: int = 0  # payouts with more than one equally good explanation
    of_a_night: int = (
        0  # payouts closed by themselves for what they brought together with others of their night
    )
    nights: int = 0
    nights_out: int = 0  # nights on which the sum law did not hold
    ways: Counter[str] = field(default_factory=Counter)
    waited: Counter[int] = field(default_factory=Counter)  # days until a payout closed by itself
    slips: list[str] = field(default_factory=list)  # what was wrong, for whoever improves it

    def count(self, truth: Truth, minor: int, *, closed: bool, right: bool, waits: int = 0) -> None:
        """``waits``: what of it is closed for nothing yet, and left to a person."""
        channel = self.channels[truth.channel]
        channel.lines += 1
        channel.value_minor += abs(minor)
        if closed and right:
            channel.right += not waits
            channel.partly += bool(waits)
            channel.closed_minor += abs(minor) - waits
        elif closed:
            channel.wrong += 1
        self.damaged += truth.reference == "damaged"
        self.absent += truth.reference == "absent"
        self.healed_closed += truth.reference == "damaged" and closed and right and not waits

    def add(self, other: "Tally") -> None:
        for name, channel in other.channels.items():
            self.channels[name].add(channel)
        self.ways.update(other.ways)
        self.waited.update(other.waited)
        self.slips += other.slips
        for name, mine in vars(self).items():
            if isinstance(mine, int):
                setattr(self, name, mine + getattr(other, name))

    @property
    def all(self) -> Channel:
        """Every line that is for something."""
        total = Channel()
        for name, channel in self.channels.items():
            if name != "none":
                total.add(channel)
            else:
                total.wrong += channel.wrong
        return total

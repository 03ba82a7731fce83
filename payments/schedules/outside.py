"""Whom a desk may send reports to, and where its links lead."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outside:
    """``desk_url``: where links lead. ``domains``: of the addresses that anything may be sent to."""

    desk_url: str
    domains: tuple[str, ...]
    demo: bool

    def allows(self, address: str) -> bool:
        """A domain stands for itself, not for those below it."""
        return address.rpartition("@")[2] in self.domains


#: A desk that sends nothing to anybody.
NOBODY = Outside("", (), demo=False)

"""Rules that people write about bank lines: each with every version it had, and where it stands now."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, row_id


class MatchRule(Base):
    """A rule by its name. ``version`` is the one that holds, ``state`` whether it acts."""

    __tablename__ = "match_rules"
    id: Mapped[int] = row_id()
    name: Mapped[str] = mapped_column(String(60), unique=True)
    position: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(6))
    shadow_days: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime]
    by: Mapped[str]
    why: Mapped[str] = mapped_column(Text, default="")
    versions: Mapped[list["MatchRuleVersion"]] = relationship(order_by="MatchRuleVersion.version")
    __table_args__ = (
        CheckConstraint("state IN ('off', 'shadow', 'live')", name="state"),
        CheckConstraint("position BETWEEN 1 AND 9999 AND version >= 1 AND shadow_days >= 1", name="numbers"),
    )


class MatchRuleVersion(Base):
    """What a rule said at a time. Only ever added: matches name the version that made them."""

    __tablename__ = "match_rule_versions"
    id: Mapped[int] = row_id()
    rule_id: Mapped[int] = mapped_column(ForeignKey("match_rules.id"))
    version: Mapped[int] = mapped_column(Integer)
    condition: Mapped[dict[str, Any]]
    says: Mapped[str] = mapped_column(String(8))
    value: Mapped[str] = mapped_column(Text, default="")
    examples: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    __table_args__ = (UniqueConstraint("rule_id", "version"),)

"""Thousands of numbers or words of a condition go over as one value: a long statement takes long to make."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, bindparam, func, select
from sqlalchemy.types import TypeEngine


def among(column: Any, *, of: type[TypeEngine[Any]] = BigInteger, sqlite: bool) -> ColumnElement[bool]:
    """That a value is one of ``ids``, a parameter of the statement: give it as ``told``, none twice.

    One of a WHERE's conditions that all must hold: PostgreSQL joins the values as a table, in their order.
    """
    if sqlite:
        return column.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))
    return column == func.unnest(bindparam("ids", type_=ARRAY(of))).column_valued("one")


def told(ids: Sequence[int] | Sequence[str], *, sqlite: bool) -> dict[str, Any]:
    """The parameter of ``among``."""
    return {"ids": json.dumps(ids) if sqlite else ids}

"""From frames of a merged stream to frames of captures, wherever results name them.

Which integers of a result are frames and which texts name some stands in the types (`results.Frame`, `FrameText`), so
this knows no result by name. One capture alone needs nothing of this.
"""

import re
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from hanscope.analyzers.results import FRAMES_APART, Frame, FrameText

Translate = Callable[[int], int]
"""From a frame of the stream to one of a capture, its capture's `frame_base` added."""
_Plan = Callable[[Any, Translate], Any]
_T = TypeVar("_T", bound=msgspec.Struct)

_NAMED = re.compile(r"\bframes? \d+(?:(?:, | to | and |, and )\d+)*")


def frame_label(frame: int) -> str:
    """A frame as texts name it: `12`, and `2:12` for the second capture's."""
    capture, number = divmod(frame, FRAMES_APART)
    return f"{capture + 1}:{number}" if capture else str(number)


def renumbered(result: _T, translate: Translate) -> _T:
    """A result whose frames are translated."""
    return _of_struct(result, translate)


def _of_struct(result: _T, translate: Translate) -> _T:
    plans = _fields(type(result))
    if not plans:
        return result
    return msgspec.structs.replace(
        result, **{name: plan(getattr(result, name), translate) for name, plan in plans.items()}
    )


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, _Plan]:
    """What is to be done with which fields."""
    hints = get_type_hints(kind, include_extras=True)
    plans = {name: _plan(hints[name]) for name in kind.__struct_fields__}
    return {name: plan for name, plan in plans.items() if plan is not None}


def _plan(hint: Any) -> _Plan | None:
    """What is to be done with values of a type; `None`: nothing."""
    origin, words = get_origin(hint), get_args(hint)
    plan: _Plan | None = None
    if hint is Frame:
        plan = _frame
    elif hint is FrameText:
        plan = _text
    elif origin is Annotated:
        plan = _plan(words[0])
    elif origin in (Union, UnionType):
        plan = _of_union([_plan(word) for word in words if word is not NoneType])
    elif origin is tuple and words[1:] == (...,):
        plan = _of_sequence(_plan(words[0]))
    elif origin is tuple:
        plan = _of_tuple([_plan(word) for word in words])
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        plan = _of_struct
    return plan


def _frame(value: int, translate: Translate) -> int:
    return translate(value)


def _of_sequence(plan: _Plan | None) -> _Plan | None:
    if plan is None:
        return None
    return lambda value, translate: tuple(plan(one, translate) for one in value)


def _of_union(plans: list[_Plan | None]) -> _Plan | None:
    if not any(plans):
        return None
    (one,) = plans  # a frame or nothing; other unions with frames in them there are not
    assert one is not None  # noqa: S101 -- it is any of one
    return lambda value, translate: None if value is None else one(value, translate)


def _of_tuple(plans: list[_Plan | None]) -> _Plan | None:
    if not any(plans):
        return None
    return lambda value, translate: tuple(
        one if plan is None else plan(one, translate) for plan, one in zip(plans, value, strict=True)
    )


def _text(value: str, translate: Translate) -> str:
    def named(match: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda number: frame_label(translate(int(number[0]))), match[0])

    return _NAMED.sub(named, value)

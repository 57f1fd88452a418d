"""Frozen dataclasses that are as quick to make as those that are not.

A frozen dataclass sets each field by a call past its own refusal, which is more than half of the
time of making it; and a request makes a hundred fields. Here an object is filled in while it is of
an open class, which has the same slots and refuses nothing. Then it becomes what it is for ever.
"""

from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar

T = TypeVar("T")

_become: Final[Any] = object.__dict__["__class__"].__set__  # past the refusal, once


def quick(frozen: type[T]) -> type[T]:
    """The dataclass itself, which is frozen and has slots, with a quicker `__init__`.

    It takes its fields by name, none of them has a default factory, and no class extends it.
    """
    members: Any = frozen
    namespace = {
        "become": _become,
        "Open": type(f"Open{frozen.__name__}", (), {"__slots__": members.__slots__}),
        "Frozen": frozen,
    }
    # Written as text and run, as the module dataclasses does it.
    exec(_init_of(members), namespace)  # noqa: S102 - of names in our own source
    init: Any = namespace["__init__"]
    init.__kwdefaults__ = members.__init__.__kwdefaults__
    init.__qualname__ = members.__init__.__qualname__
    init.__annotations__ = members.__init__.__annotations__
    members.__init__ = init
    return frozen


def _init_of(frozen: Any) -> str:
    names = [field.name for field in fields(frozen)]
    if any(field.default_factory is not MISSING or not field.kw_only for field in fields(frozen)):
        raise TypeError(f"{frozen.__name__} is not a dataclass that can be made quickly")
    lines = [
        "become(self, Open)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = Frozen",
        *(["self.__post_init__()"] if hasattr(frozen, "__post_init__") else ()),
    ]
    return f"def __init__(self, *, {', '.join(names)}):\n  " + "\n  ".join(lines)

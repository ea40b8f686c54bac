"""Maps the values of types.py to the protobuf messages and back.

The messages come from wire.binpb, the compiled .proto files, and the mapping is
driven by their descriptors and by the dataclasses' own types, so that a field
added to the wire needs a line in types.py and nothing here. The rules: times
are aware datetimes, durations are timedeltas, enumerations are lower-case
words, and all bytes are JSON, under a name without the suffix _json or _schema.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

MAX_MESSAGE = 4 << 20
"""The largest message either side accepts, in bytes."""

_PACKAGE = "carillon.plugin.v1."
_LIMITS = {"Fault.message": 1 << 10, "Fault.upstream": 2 << 10, "Fault.cause": 2 << 10}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    compiled = descriptor_pb2.FileDescriptorSet.FromString(files(__package__).joinpath("wire.binpb").read_bytes())
    for file in compiled.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message(name: str) -> Any:
    """The class of the message with that name, such as "PublishRequest"."""
    found = _pool().FindMessageTypeByName(_PACKAGE + name)
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(_pool()).GetPrototype(found)


def methods(service: str) -> dict[str, tuple[str, str]]:
    """The methods of a service: the names of what they take and answer."""
    found = _pool().FindServiceByName(_PACKAGE + service)
    return {m.name: (m.input_type.name, m.output_type.name) for m in found.methods}


def text(value: object) -> str:
    """Repairs a text: no lone surrogates, and no NUL, which no column of the
    database takes."""
    return str(value).encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _name(f: Any) -> str:
    if f.type == F.TYPE_BYTES:
        return str(f.name).removesuffix("_json").removesuffix("_schema")
    return str(f.name)


def encode(name: str, value: object) -> bytes:
    """Encodes value, a dataclass or a dictionary, as the message with that name."""
    out = message(name)()
    _fill(out, value)
    return typing.cast(bytes, out.SerializeToString())


def _get(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _fill(out: Any, value: object) -> None:
    for f in out.DESCRIPTOR.fields:
        one = _get(value, _name(f))
        if one is None:
            continue
        if f.message_type is not None and f.message_type.GetOptions().map_entry:
            _fill_map(getattr(out, f.name), f.message_type.fields_by_name["value"], one)
        elif f.label == F.LABEL_REPEATED:
            for item in one:
                _append(getattr(out, f.name), f, item)
        elif f.message_type is not None:
            _set(getattr(out, f.name), one)
        else:
            plain = _scalar(f, one)
            if plain or f.containing_oneof is None:
                setattr(out, f.name, plain)


def _fill_map(out: Any, f: Any, value: dict[str, Any]) -> None:
    for key, one in value.items():
        if f.type != F.TYPE_DOUBLE or math.isfinite(one):  # JSON cannot hold the others
            out[text(key)] = _scalar(f, one)


def _append(out: Any, f: Any, item: Any) -> None:
    if f.message_type is not None:
        _set(out.add(), item)
    else:
        out.append(_scalar(f, item))


def _set(out: Any, value: Any) -> None:
    kind = out.DESCRIPTOR.full_name
    if kind not in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        out.SetInParent()
        _fill(out, value)
        return
    span = value - _EPOCH if isinstance(value, datetime) else value
    seconds, micros = divmod(span // timedelta(microseconds=1), 1_000_000)
    if kind == "google.protobuf.Duration" and seconds < 0 and micros:
        seconds, micros = seconds + 1, micros - 1_000_000
    out.SetInParent()
    out.seconds, out.nanos = seconds, micros * 1000


def _scalar(f: Any, value: Any) -> Any:
    match f.type:
        case F.TYPE_STRING:
            return _cut(text(value), _LIMITS.get(f"{f.containing_type.name}.{f.name}"))
        case F.TYPE_BYTES:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        case F.TYPE_ENUM:
            return _words(f.enum_type).get(value, 0)
        case F.TYPE_DOUBLE:
            return float(value) if math.isfinite(value) else 0.0
        case _:
            return value


def _words(enum: Any) -> dict[str, int]:
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return {v.name.removeprefix(prefix).lower(): v.number for v in enum.values if v.number}


def _cut(s: str, most: int | None) -> str:
    """Shortens s to at most that many bytes, between two characters."""
    raw = s.encode()
    return s if most is None or len(raw) <= most else raw[:most].decode("utf-8", "ignore")


def decode(name: str, raw: bytes, into: Any) -> Any:
    """Decodes the message with that name as a dataclass. It raises ValueError
    for what is no such message, or holds no JSON where it should."""
    try:
        m = message(name).FromString(raw)
    except Exception as error:  # protobuf's own DecodeError is no ValueError everywhere
        raise ValueError(f"not a {name}: {error}") from None
    return _plain(m, into)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _plain(m: Any, cls: Any) -> Any:
    hints, known, out = _hints(cls), {one.name for one in fields(cls)}, {}
    for f in m.DESCRIPTOR.fields:
        if _name(f) in known:
            out[_name(f)] = _take(m, f, hints[_name(f)])
    return cls(**out)


def _take(m: Any, f: Any, hint: Any) -> Any:
    value = getattr(m, f.name)
    if f.message_type is not None and f.message_type.GetOptions().map_entry:
        return dict(value)
    if f.label == F.LABEL_REPEATED:
        return [_one(f, item, _inner(hint)) for item in _iter(value)]
    if f.message_type is not None and not m.HasField(f.name) and not is_dataclass(hint):
        return None
    return _one(f, value, hint)


def _iter(value: Any) -> Iterable[Any]:
    return typing.cast(Iterable[Any], value)


def _one(f: Any, value: Any, hint: Any) -> Any:
    if f.type == F.TYPE_ENUM:
        return next((word for word, number in _words(f.enum_type).items() if number == value), "")
    if f.type == F.TYPE_BYTES:
        return json.loads(value) if value else None
    if f.message_type is None:
        return value
    if f.message_type.full_name == "google.protobuf.Timestamp":
        return _EPOCH + timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    if f.message_type.full_name == "google.protobuf.Duration":
        return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)
    return _plain(value, _inner(hint))


def _inner(hint: Any) -> Any:
    """What a list or an optional is of."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) in (list, typing.Union):
        return next(a for a in typing.get_args(hint) if a is not type(None))
    return hint

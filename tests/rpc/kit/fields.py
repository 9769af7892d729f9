"""Which fields of answers were ever set: Client notes them, test_whole.py asks at the end."""

from kit import stubs

seen = set()  # "faregate.v1.Booking.name"


def note(message):
    for field, value in message.ListFields():
        seen.add(field.full_name)
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            value = [v for v in value.values() if hasattr(v, "ListFields")]
        for inner in value if field.label == field.LABEL_REPEATED else [value]:
            note(inner)


def _messages(found):
    for message in found.values():
        yield message
        yield from _messages(message.nested_types_by_name)


def output_only():
    for file in (stubs.auth, stubs.flight, stubs.booking, stubs.payment, stubs.common):
        for message in _messages(file.DESCRIPTOR.message_types_by_name):
            for field in message.fields:
                if stubs.behavior.OUTPUT_ONLY in field.GetOptions().Extensions[stubs.behavior.field_behavior]:
                    yield field.full_name

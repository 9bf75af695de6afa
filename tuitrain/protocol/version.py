"""The version of the words.

Adding an event, a command or an optional field is compatible and leaves the number alone;
anything else raises it. A reader of an older version shows what it knows and counts the rest.
"""

PROTOCOL_VERSION = 1


def other_version(version: int) -> str:
    """What to tell of a recording of another version; empty where there is nothing to tell."""
    if version <= PROTOCOL_VERSION:
        return ""
    return (
        f"of a newer tuitrain: protocol {version}, this one knows {PROTOCOL_VERSION}; what it does not know is left out"
    )

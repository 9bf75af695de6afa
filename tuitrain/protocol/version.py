"""The version of the words.

Adding an event, a command or an optional field is compatible and leaves the number alone;
anything else raises it. A reader of an older version shows what it knows and counts the rest.
"""

PROTOCOL_VERSION = 1

"""What reading a record raises where its document is damaged."""

import msgspec

# The last for one that is nested without end, which any file may be.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

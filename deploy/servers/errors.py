"""The one class of errors that whoever runs the servers can mend."""

from __future__ import annotations


class ServerError(Exception):
    """A server cannot be had or cannot run; the text is one line: what, where, what to do."""

"""Spans of time that several modules count in, in milliseconds; what only one of them means stands there. Pure."""

DAY_MS = 86_400_000

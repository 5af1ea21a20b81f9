"""Headquarters' running segments, in its order. Who is in one is in memory alone (gateway.segments)."""

from dataclasses import asdict

from pydantic import TypeAdapter

from gateway.core.changes import SegmentsPut
from gateway.core.segment import Segment
from gateway.tables.rows import Rows, as_json

_SEGMENT: TypeAdapter[Segment] = TypeAdapter(Segment)


class SegmentRules(Rows):
    """The table `segment_rule`."""

    def segments(self) -> tuple[Segment, ...]:
        """All of them."""
        return tuple(
            _SEGMENT.validate_json(row[0]) for row in self._all("SELECT body FROM segment_rule ORDER BY place")
        )

    def put_segments(self, put: SegmentsPut) -> None:
        """These, in place of what was there."""
        self._db.execute("DELETE FROM segment_rule")
        for place, one in enumerate(put.segments):
            self._put("segment_rule", place=place, body=as_json(asdict(one)))

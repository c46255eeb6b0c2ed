"""Which readings become samples: always, at a change, or at a change that matters."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.sensorisation.polling.decoding import Value
from ciaas.sensorisation.profile import Report, ReportMode


@dataclass(slots=True)
class Reporter:
    """Remembers the last sample sent of one point. After a restart the first reading is sent."""

    report: Report
    sent: Value | None = None
    sent_at: int = 0
    """Milliseconds since 1970 UTC."""

    def wants(self, value: Value, observed: int) -> bool:
        """Return whether this reading is to be sent, and remember it if so.

        A null is sent when it begins and then only each ``max_silence_s``, whatever the mode: a
        dead device shows as a gap and does not flood.
        """
        plain = self.sent is not None and value.num == value.num
        if plain and self.report.mode is ReportMode.ALWAYS:
            self.sent, self.sent_at = value, observed
            return True
        if not self._matters(value) and not self._overdue(observed):
            return False
        self.sent, self.sent_at = value, observed
        return True

    def _overdue(self, observed: int) -> bool:
        # a clock set back must not silence the point until it has caught up
        return not 0 <= observed - self.sent_at < self.report.max_silence_s * 1_000

    def _matters(self, value: Value) -> bool:
        sent = self.sent
        if sent is None or sent.kind is not value.kind or sent.reason is not value.reason:
            return True
        if value.num != value.num and value.txt is None:
            return False
        if self.report.mode is ReportMode.ALWAYS:
            return True
        if self.report.deadband is not None:
            return abs(value.num - sent.num) >= self.report.deadband
        return value.txt != sent.txt or (value.txt is None and value.num != sent.num)

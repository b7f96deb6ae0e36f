"""What came of an import, in numbers: they travel in the job's position and end as its result."""

from dataclasses import asdict, dataclass, field
from typing import Any

from populace.bulk.candidates import Came, Candidate
from populace.bulk.rows import Row
from populace.users.models import User

SKIPPED_KEPT = 10  # rows of each kind


@dataclass(slots=True, kw_only=True)
class Numbers:
    """Rows done (created, updated), skipped (there already, as it is or passed over), failed."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    skipped_rows: list[int] = field(default_factory=list)  # passed over, the first SKIPPED_KEPT
    left_out: dict[str, list[int]] = field(default_factory=dict)  # rows with what stays behind, the first SKIPPED_KEPT
    counts: dict[str, int] = field(default_factory=dict)  # what else is worth knowing, by name

    def plain(self) -> dict[str, Any]:
        """Return them as JSON, of which Numbers(**…) makes the same again."""
        return asdict(self)

    def summary(self) -> dict[str, Any]:
        """Return the numbers by name, and the first rows that were passed over or of which something stays behind."""
        numbers: dict[str, Any] = {"done": self.done, "skipped": self.skipped, "failed": self.failed}
        numbers |= dict(sorted(self.counts.items()))
        if self.skipped_rows:
            numbers["skipped_rows"] = self.skipped_rows
        if self.left_out:
            numbers["left_out_rows"] = dict(sorted(self.left_out.items()))
        return numbers

    def count(self, one: Candidate) -> None:
        """Add what came of a row."""
        match one.came:
            case Came.FAILED:
                self.failed += 1
            case Came.SKIPPED:
                self.skipped += 1
                if len(self.skipped_rows) < SKIPPED_KEPT:
                    self.skipped_rows.append(one.row.number)
            case Came.UNCHANGED:
                self.skipped += 1
                self._add("unchanged")
            case Came.CREATED | Came.UPDATED:
                self.done += 1
                self._count_left_out(one.row)
                if one.came is Came.UPDATED:
                    self._add("updated")
                elif one.values.get("kind") == User.SERVICE:
                    self._add("service_accounts")

    def _add(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def _count_left_out(self, row: Row) -> None:
        for name in row.left_out:
            self._add(name)
            rows = self.left_out.setdefault(name, [])
            if len(rows) < SKIPPED_KEPT:
                rows.append(row.number)

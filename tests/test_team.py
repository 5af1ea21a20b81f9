"""The demo's colleagues are nobody, and one of them is a manager."""

import tomllib

from drivers import team
from gateway.core.staff import is_pin


def test_the_team_reads_as_a_file_and_has_a_manager() -> None:
    rows = tomllib.loads(team.toml())["colleague"]
    assert [row["name"] for row in rows] == [name for _, name, *_ in team.TEAM]
    assert all(is_pin(row["pin"]) for row in rows)
    assert [row["role"] for row in rows].count("manager") == 1
    assert all(any(word in row["name"] for word in ("Beispiel", "Muster", "Probe")) for row in rows), "clearly invented"

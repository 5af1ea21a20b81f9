"""The demo's colleagues: invented people with PINs that are printed, for nobody's real shop."""

from gateway.core.staff import Role

# staff_id, call name, initials, part, PIN. The names are plants, so that nobody takes them for people.
TEAM: tuple[tuple[str, str, str, Role, str], ...] = (
    ("s-basil", "Basilikum Beispiel", "BB", "staff", "204060"),
    ("s-thyme", "Thymian Muster", "TM", "staff", "135790"),
    ("s-sage", "Salbei Probe (Leitung)", "SP", "manager", "975310"),
)


def toml() -> str:
    """The team as `hq put-staff` reads it."""
    names = ("staff_id", "name", "initials", "role", "pin")
    tables = ("\n".join(f'{name} = "{value}"' for name, value in zip(names, one, strict=True)) for one in TEAM)
    return "".join(f"[[colleague]]\n{table}\n\n" for table in tables)

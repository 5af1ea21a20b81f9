"""The software bill of materials, CycloneDX 1.6: what a gateway runs, with versions, licences and who needs whom.

Python packages as `constraints.txt` pins them, walked from this project's own requirements through the metadata of what
is installed; Debian packages and fonts from the lists here. `python -m tools.sbom FILE`.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = "store-gateway"
EXTRAS = ("pcsc", "postgres", "parquet")  # what an operator may add to a box or to headquarters

CONTROL = (
    ROOT / "systemd" / "deb" / "control"
)  # which Debian packages a gateway needs; versions are those of its release
# What an operator may add besides, and for what.
DEBIAN_EXTRAS: Mapping[str, str] = {
    "mosquitto": "a broker of one's own",
    "pcscd": "pcsc: readers",
    "postgresql": "headquarters on PostgreSQL",
}
FONTS = {"Open Sans": "Apache-2.0", "Source Serif": "OFL-1.1"}  # in display/static/fonts

OF_THE_ENVIRONMENT = "pip"  # sqlite-utils needs it; each virtual environment brings its own version

_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: European Union Public Licence 1.1 (EUPL 1.1)": "EUPL-1.1",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}


class NotAsPinnedError(Exception):
    """What is installed is not what `constraints.txt` says; the text names both."""


def pins(text: str) -> dict[str, str]:
    """The version of each package, by its normalised name."""
    found = (line.partition("==") for line in text.split())
    return {canonicalize_name(name): version for name, _, version in found}


def closure(requirements: Iterable[str], extra: str = "") -> dict[str, set[str]]:
    """Every package that these requirements lead to on this machine, each with the packages that it needs itself.

    A package that is not installed stands there and leads no further.
    """
    found: dict[str, set[str]] = {}
    waiting: list[tuple[Requirement, tuple[str, ...]]] = [(Requirement(one), (extra,)) for one in requirements]
    while waiting:
        requirement, extras = waiting.pop()
        if requirement.marker is not None and not any(requirement.marker.evaluate({"extra": one}) for one in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        below = [Requirement(one) for one in _requires(name)]
        inner = tuple(requirement.extras) or ("",)
        found.setdefault(name, set()).update(
            canonicalize_name(one.name)
            for one in below
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in inner)
        )
        waiting += [(one, inner) for one in below]
    return found


def bom(pinned: Mapping[str, str], own: metadata.Distribution) -> Bom:
    """The bill for this project. Raises NotAsPinnedError."""
    product = Component(
        name=PROJECT,
        version=own.version,
        type=ComponentType.APPLICATION,
        bom_ref=PROJECT,
        licenses=_licences(own),
    )
    bill = Bom()
    bill.metadata.component = product
    required = closure(own.requires or ())
    needs = dict(required)
    for extra in EXTRAS:
        for name, below in closure(own.requires or (), extra).items():
            needs.setdefault(name, set()).update(below)
    components = {name: _package(name, pinned, is_required=name in required) for name in sorted(needs)}
    direct = {canonicalize_name(Requirement(one).name) for one in own.requires or ()}
    bill.register_dependency(product, [components[name] for name in sorted(direct & set(components))])
    for name, component in components.items():
        bill.components.add(component)
        bill.register_dependency(component, [components[one] for one in sorted(needs[name])])
    for part in (*_debian(), *_fonts()):
        bill.components.add(part)
    return bill


def written(bill: Bom) -> str:
    """The bill as JSON of CycloneDX 1.6."""
    return str(JsonV1Dot6(bill).output_as_string(indent=1)) + "\n"


def _requires(name: str) -> Iterable[str]:
    try:
        return metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return ()


def _package(name: str, pinned: Mapping[str, str], *, is_required: bool) -> Component:
    version = pinned.get(name)
    try:
        installed: metadata.Distribution | None = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        installed = None
    if name == OF_THE_ENVIRONMENT and installed is not None:
        version = installed.version
    if is_required and (installed is None or version is None):
        raise NotAsPinnedError(f"{name}: required, but {'not installed' if version else 'not in constraints.txt'}")
    if installed is not None and version is not None and installed.version != version:
        raise NotAsPinnedError(f"{name}: {installed.version} is installed, constraints.txt says {version}")
    return Component(
        name=name,
        version=version,
        bom_ref=f"pypi/{name}",
        scope=ComponentScope.REQUIRED if is_required else ComponentScope.OPTIONAL,
        licenses=_licences(installed) if installed is not None else (),
        purl=PackageURL("pypi", name=name, version=version),
    )


def _licences(installed: metadata.Distribution) -> list[LicenseExpression | DisjunctiveLicense]:
    """As SPDX where the metadata say it so or nearly so, else by the name that they give."""
    about, make = installed.metadata, LicenseFactory()
    told = next(iter(about.get_all("License-Expression") or []), "")
    classified = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    if not told:
        told = next((_CLASSIFIERS[one] for one in classified if one in _CLASSIFIERS), "")
    if not told:
        told = about["License"].strip().partition("\n")[0] if "License" in about else ""
    if not told and classified:
        told = classified[0].rpartition(" :: ")[2]
    return [make.make_from_string(told)] if told else []


def debian(control: str) -> dict[str, tuple[ComponentScope, str]]:
    """Whether a gateway needs a Debian package, and for what or how much, by the package's name."""
    found: dict[str, tuple[ComponentScope, str]] = {}
    for field, named in re.findall(r"^(Depends|Recommends|Suggests): (.+)$", control, re.MULTILINE):
        scope = ComponentScope.REQUIRED if field == "Depends" else ComponentScope.OPTIONAL
        found |= {one.split()[0]: (scope, f"the package {field.lower()}: {one}") for one in named.split(", ")}
    return found | {name: (ComponentScope.OPTIONAL, what) for name, what in DEBIAN_EXTRAS.items()}


def _debian() -> Iterable[Component]:
    for name, (scope, what) in debian(CONTROL.read_text(encoding="utf-8")).items():
        yield Component(
            name=name,
            type=ComponentType.APPLICATION,
            bom_ref=f"deb/{name}",
            scope=scope,
            purl=PackageURL("deb", "debian", name),
            properties=[Property(name="store-gateway:needed-as", value=what)],
        )


def _fonts() -> Iterable[Component]:
    for name, licence in FONTS.items():
        yield Component(
            name=name,
            type=ComponentType.FILE,
            bom_ref=f"font/{re.sub(' ', '-', name.lower())}",
            scope=ComponentScope.REQUIRED,
            licenses=[DisjunctiveLicense(id=licence)],
        )


def main(arguments: list[str]) -> int:
    """Write the bill to the file that is named; 1 with a sentence if what is installed is not what is pinned."""
    out = Path(arguments[0])
    try:
        bill = bom(pins((ROOT / "constraints.txt").read_text(encoding="ascii")), metadata.distribution(PROJECT))
    except NotAsPinnedError as error:
        print(f"{error}. Set the environment up anew: make clean, then make sbom.", file=sys.stderr)
        return 1
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(written(bill), encoding="utf-8")
    packages = (one for one in bill.components if one.purl is not None and one.purl.type == "pypi")
    silent = sorted(one.name for one in packages if not one.licenses and one.scope is ComponentScope.REQUIRED)
    print(f"{out}: {len(bill.components)} components; required ones without a licence: {', '.join(silent) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

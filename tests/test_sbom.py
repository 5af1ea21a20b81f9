"""The bill of materials: whole, as pinned, and of the form that CycloneDX publishes."""

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import sbom

ROOT = Path(__file__).parents[1]
PINS = sbom.pins((ROOT / "constraints.txt").read_text())


@pytest.fixture(scope="module")
def text() -> str:
    return sbom.written(sbom.bom(PINS, metadata.distribution(sbom.PROJECT)))


@pytest.fixture(scope="module")
def parts(text: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(text)["components"]}


def test_it_is_what_the_published_schema_wants(text: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    spoiled = json.loads(text) | {"components": [{"name": "without a type"}]}
    assert validator.validate_str(json.dumps(spoiled)) is not None


def test_every_requirement_is_in_it_as_pinned_with_licence_and_purl(parts: dict[str, dict[str, Any]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"]:
        name = canonicalize_name(Requirement(line).name)
        assert parts[name]["scope"] == "required"
        assert parts[name]["version"] == PINS[name]
        assert parts[name]["purl"] == f"pkg:pypi/{name}@{PINS[name]}"
    packages = [one for one in parts.values() if one.get("purl", "").startswith("pkg:pypi/")]
    assert all(one["licenses"] and one["version"] for one in packages if one["scope"] == "required")
    for extra in sbom.EXTRAS:
        for line in project["optional-dependencies"][extra]:
            assert parts[canonicalize_name(Requirement(line).name)]["scope"] == "optional"


def test_what_others_need_is_in_it_and_what_only_tests_need_is_not(text: str, parts: dict[str, dict[str, Any]]) -> None:
    needs = {row["ref"]: row.get("dependsOn", []) for row in json.loads(text)["dependencies"]}
    assert {"pypi/pydes", "pypi/libusb1", "pypi/pyserial", "pypi/ndeflib"} <= set(needs["pypi/nfcpy"])
    assert "pypi/starlette" in needs["pypi/fastapi"]
    assert "pypi/cryptography" in needs["store-gateway"]
    assert not {"pytest", "hypothesis", "cyclonedx-python-lib", "pip-audit", "playwright"} & set(parts)


def test_debian_packages_of_the_set_up_and_fonts_of_the_pages_are_in_it(parts: dict[str, dict[str, Any]]) -> None:
    script = (ROOT / ".ci/setup").read_text()
    runtime = script[: script.index('if [ "$kind" = dev ]')]
    needed = set(re.findall(r"need\+=\((\S+)\)", runtime))
    assert needed == {"python3", "python3-venv"}
    packages = sbom.debian(sbom.CONTROL.read_text())
    required = {name for name, (scope, _) in packages.items() if scope.value == "required"}
    assert needed < required and "systemd" in required
    assert {name for name in packages if name not in required} > {"bluez", "chromium", "cage"}
    assert {name for name, one in parts.items() if one.get("purl", "").startswith("pkg:deb/")} == set(packages)
    for name in required:
        assert parts[name]["scope"] == "required"
        assert parts[name]["purl"] == f"pkg:deb/debian/{name}"
    licences = {"open-sans": "Apache License", "source-serif": "SIL OPEN FONT LICENSE"}
    files = {path.name.partition("-licence")[0]: path for path in (ROOT / "display/static/fonts").glob("*-licence.*")}
    assert set(files) == set(licences) == {name.lower().replace(" ", "-") for name in sbom.FONTS}
    assert all(words in files[name].read_text() for name, words in licences.items())


def test_what_is_not_as_pinned_is_refused() -> None:
    own = metadata.distribution(sbom.PROJECT)
    with pytest.raises(sbom.NotAsPinnedError, match=r"h11: .* is installed, constraints.txt says 0.0.1"):
        sbom.bom({**PINS, "h11": "0.0.1"}, own)
    with pytest.raises(sbom.NotAsPinnedError, match=r"h11: required, but not in constraints.txt"):
        sbom.bom({name: version for name, version in PINS.items() if name != "h11"}, own)


def test_the_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "build" / "sbom.cdx.json"
    assert sbom.main([str(out)]) == 0
    assert json.loads(out.read_text())["specVersion"] == "1.6"
    assert "required ones without a licence: none" in capsys.readouterr().out

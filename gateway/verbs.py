"""All verbs of the command line. Each parses its arguments, calls one function and gives back an exit code."""

import argparse
import asyncio
import importlib.metadata
import json
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from drivers import chip
from gateway import (
    bench,
    bundleverbs,
    calibrate,
    config,
    demo,
    deviceverbs,
    doctor,
    doors,
    evaluate,
    evaluate_learning,
    evaluate_restraint,
    evaluate_usual,
    hqverbs,
    keys,
    memberstate,
    memberverbs,
    origins,
    ownership,
    preflight,
    provisionverb,
    recording,
    rehearse,
    rekey,
    releaseverbs,
    scanner,
    service,
    trustverbs,
    whatifverbs,
)
from gateway.dbfile import DATABASE, ask_rekey
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.service import DEFAULT_CONFIG, load
from gateway.terminal import Defaults, laid_out, out, qr_code, say, whole

_INDENT = 9  # with a public key in its groups a line has 80 characters
_MARKS = {
    "ok": "[green]ok[/green]       ",
    "missing": "[yellow]missing[/yellow]  ",
    "wrong": "[red]wrong[/red]    ",
}


def _demo(arguments: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, demo.interrupted(stop))
    shop = demo.Demo(arguments.speed, arguments.seed, arguments.members, arguments.lan, arguments.folder)
    shop.run(out, stop)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    findings = asyncio.run(doctor.examine(arguments.config))
    for finding in findings:
        out.print(f"{_MARKS[finding.state]}[bold]{escape(finding.what)}[/bold]", highlight=False, soft_wrap=True)
        for line in finding.found.splitlines():
            out.print(f"{'':{_INDENT}}{escape(laid_out(line, _INDENT))}", highlight=False, soft_wrap=True)
        if finding.step:
            step = escape(laid_out(f"-> {finding.step}", _INDENT))
            out.print(f"{'':{_INDENT}}[dim]{step}[/dim]", highlight=False, soft_wrap=True)
    if any(finding.state == "missing" for finding in findings):
        out.print("\nThe demo works without what is missing: store-gateway demo", highlight=False)
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def _counts(arguments: argparse.Namespace) -> int:
    counted = memberverbs.counts(load(arguments.config))
    if arguments.json:
        out.print_json(data=counted)
        return 0
    for name, count in counted.items():
        out.print(f"{name:30} {count:>10,}", highlight=False)
    return 0


def _check_config(arguments: argparse.Namespace) -> int:
    if config.is_scanner(arguments.file):
        scanner.load(arguments.file)
        steered = None
    elif ownership.nobodys(arguments.file) is not None:
        named = config.load(arguments.file, **dict.fromkeys(ownership.WHO, "nobody"))
        preflight.check(named, arguments.file)
        say("This box belongs to nobody yet: it waits to be provisioned (docs/provisioning.md).")
        steered = None
    else:
        steered = origins.origins(load(arguments.file))
    out.print(f"{arguments.file}: ok", highlight=False)
    if steered is not None:
        out.print(f"with headquarters' settings {steered.told}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    base = load(arguments.config) if arguments.config is not None else None
    health, seconds = rehearse.replay(arguments.file, base)
    _print_counts(health, seconds, arguments.json)
    heard = sum(count for name, count in health.counts.items() if name.startswith("ble."))
    if heard == 0:
        say(f"{arguments.file}: holds no advertisement; expected a recording, one JSON object a line")
        return 1
    if base is None:
        say("Everybody was a stranger: no members without a gateway's data. Name one with --config.")
    return 0


def _record(arguments: argparse.Namespace) -> int:
    loaded = load(arguments.config)
    say("Recording. Stop the gateway's service first: one adapter serves one of them. Ctrl-C ends it.")
    summary = asyncio.run(recording.record(loaded, arguments.out, arguments.seconds, arguments.keep_members))
    table = Table("what", "lines", box=None)
    for name, count in sorted(summary.counts.items()):
        table.add_row(name, f"{count:,}")
    out.print(table)
    if summary.full:
        say(f"{arguments.out}: full; nothing was written after that")
    if not summary.counts:
        say("Nothing was heard. `store-gateway doctor` says what is missing.")
        return 1
    return 0


def _print_counts(health: Health, seconds: float, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({"seconds": round(seconds, 3), "counts": health.counts}))
        return
    table = Table("what", "count", box=None)
    for name, count in health.counts.items():
        table.add_row(name, f"{count:,}")
    out.print(table)
    out.print(f"{seconds:.2f} s", highlight=False)


def _tablet_link(arguments: argparse.Namespace) -> int:
    loaded = config.load(arguments.config)
    url = doors.opened(loaded, loaded.http.port, keys.tablet_key(loaded.gateway.data_dir)).tablet_url
    if "//localhost" in url:
        say('This link works on this machine only. For tablets set [http] host = "0.0.0.0" and shop_url.')
    out.print(url, highlight=False, soft_wrap=True)
    out.print(qr_code(url), highlight=False, markup=False)
    return 0


def _rotate_key(arguments: argparse.Namespace) -> int:
    data_dir = config.load(arguments.config).gateway.data_dir
    if arguments.root:
        rekey.rotate_root(data_dir)
        say("The data opens with the new root key only. Copies of the old site.key are worth nothing from now on.")
        return 0
    ask_rekey(data_dir / DATABASE)
    say("The service makes a new key and seals everything with it, now or at its next start; the old key goes last.")
    return 0


def _scanner_key(arguments: argparse.Namespace) -> int:
    key = rekey.vault(config.load(arguments.config).gateway.data_dir).identifier_key
    keys.write_identifier_key(arguments.out, key)
    say(f"{arguments.out}: the key under which this shop hashes identifiers, for site_key_file of its scanners.")
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    chosen = arguments.name, arguments.corpus, arguments.baud
    results = bench.run(*chosen, million=arguments.million, seconds=arguments.seconds)
    if arguments.json:
        out.print_json(json.dumps([result.as_dict() for result in results]))
        return 0
    table = Table("name", "value", "unit", "goal", "peers", box=None)
    for result in results:
        table.add_row(result.name, f"{result.value:,.2f}", result.unit, result.judged, result.beside)
    out.print(table)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    match arguments.name:
        case "usual":
            figures = evaluate_usual.of_usual(arguments.data)
        case "coupons":
            figures = evaluate_usual.of_coupons(arguments.data)
        case "learning":
            figures = evaluate_learning.learning(arguments.data, arguments.plot)
        case "restraint":
            asked = arguments.people, arguments.days, arguments.seed
            figures = evaluate_restraint.restraint(*asked, arguments.plot)
        case _:
            figures = evaluate.zones(arguments.data, arguments.receivers)
    if arguments.json:
        out.print_json(json.dumps([figure.as_dict() for figure in figures]))
        return 0
    for figure in figures:
        out.print(f"{figure.name:24} {figure.value:8.2f} {figure.unit:6} goal: {figure.judged}", highlight=False)
        for name, value in figure.peers.items():
            out.print(f"[dim]{'':24} {value:8.2f} {'':6} {name}[/dim]", highlight=False)
    return 0


def _calibrate(arguments: argparse.Namespace) -> int:
    if arguments.from_csv is not None:
        receivers, fingerprints = arguments.from_csv
        points = calibrate.from_csv(receivers, fingerprints, arguments.out)
    else:
        if arguments.beacon is None:
            raise ConfigError("--beacon: expected the test beacon, e.g. ibeacon: and 40 hex digits")
        loaded = config.load(arguments.config).model_copy(update={"presence": config.PresenceTable()})
        preflight.check(loaded, arguments.config)  # but for the old map, which may lack what this walk is for
        say("Stand at a point and type: x y [zone], in metres. Turn round once while it listens. Empty line: done.")

        async def ask() -> str:
            return await asyncio.to_thread(sys.stdin.readline)

        points = asyncio.run(calibrate.walk(loaded, arguments.beacon, arguments.out, ask, say, arguments.seconds))
    out.print(f"{points} points written to {arguments.out}" if points else "no point, nothing written", highlight=False)
    return 0 if points else 1


# --- arguments -------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Every verb with its arguments."""
    made = argparse.ArgumentParser(prog="store-gateway", description="In-store beacon and NFC gateway.")
    made.add_argument("--version", action="version", version=importlib.metadata.version("store-gateway"))
    verbs = made.add_subparsers(required=True, metavar="COMMAND")

    def verb(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=Defaults)
        sub.set_defaults(verb=function)
        return sub

    service.add_verb(verbs)
    show = verb("demo", _demo, "broker, headquarters, simulated shop and gateway in one command")
    show.add_argument("--speed", type=_speed, default=1.0, help="how many shop seconds pass in a second")
    show.add_argument("--seed", type=whole(0, 10**9), default=1, help="another seed, another day")
    show.add_argument("--members", type=whole(2, 500), default=12, help="how many people walk in the shop")
    show.add_argument("--lan", action="store_true", help="let tablets and phones of the local network in")
    show.add_argument("--folder", type=Path, help="keep data and logs here")
    look = verb("doctor", _doctor, "what is there, what is missing, and the next step")
    look.add_argument("--config", type=Path, help="a configuration file to check as well")
    counted = verb(
        "counts", _counts, "what the running service has counted, exactly; pages tell strangers' by the minute"
    )
    counted.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")
    counted.add_argument("--json", action="store_true", help="print JSON instead of a table")
    verb("check-config", _check_config, "check a configuration file").add_argument("file", type=Path)
    scanner.add_verb(verbs)
    replay = verb("replay", _replay, "run a recording through the whole path at once and print the counts")
    replay.add_argument("file", type=Path)
    replay.add_argument(
        "--config", type=Path, help="use this gateway's members, screens and headquarters, and write there"
    )
    replay.add_argument("--json", action="store_true", help="print JSON instead of a table")
    take = verb("record", _record, "write what the radios and readers hear to a file, strangers made unknowable")
    take.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")
    take.add_argument("--out", type=Path, required=True, help="a new file; only its owner can read it")
    take.add_argument("--seconds", type=whole(1, 86_400), help="how long; until Ctrl-C without")
    take.add_argument("--keep-members", action="store_true", help="members' frames and cards stay as they are")
    verb("tablet-link", _tablet_link, "the link and QR code that let a tablet in").add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file"
    )
    trustverbs.add_verb(verbs, DEFAULT_CONFIG)
    anew = verb("rotate-key", _rotate_key, "a new key for what is stored: the service seals everything with it")
    anew.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")
    anew.add_argument("--root", action="store_true", help="a new root key (site.key) instead, at once")
    copy = verb("scanner-key", _scanner_key, "write the key with which a scanner hashes static identifiers")
    copy.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")
    copy.add_argument("--out", type=Path, required=True, help="a new file; only its owner can read it")
    _add_bench(verb("bench", _bench, "measure"))
    _add_evaluate(verb("evaluate", _evaluate, "quality against data with known answers"))
    survey = verb("calibrate", _calibrate, "walk through the shop with a test beacon and write a radio map")
    survey.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")
    survey.add_argument("--out", type=Path, required=True, help="the radio map to write")
    survey.add_argument("--beacon", help="the test beacon: uid:, ibeacon: or altbeacon: and hex digits")
    survey.add_argument("--seconds", type=float, default=calibrate.HOLD_S, help="how long to listen at each point")
    survey.add_argument(
        "--from-csv", type=Path, nargs=2, metavar=("RECEIVERS", "FINGERPRINTS"), help="convert these files instead"
    )
    bundleverbs.add_verb(verbs, DEFAULT_CONFIG)
    provisionverb.add_verb(verbs, DEFAULT_CONFIG)
    memberstate.add_verb(verbs, DEFAULT_CONFIG)
    memberverbs.add_why(verbs, DEFAULT_CONFIG)
    whatifverbs.add_verb(verbs, DEFAULT_CONFIG)
    deviceverbs.add_verbs(verbs.add_parser("device", help="screens, tablets and tills that are paired"), DEFAULT_CONFIG)
    memberverbs.add_verbs(verbs.add_parser("member", help="what a shop owes its members"), DEFAULT_CONFIG)
    releaseverbs.add_verbs(verbs.add_parser("release", help="signed releases of this software"))
    hqverbs.add_verbs(verbs.add_parser("hq", help="the reference headquarters"))
    return made


def _add_bench(measure: argparse.ArgumentParser) -> None:
    measure.add_argument("name", nargs="?", choices=sorted(bench.BENCHES), help="one of them; all without")
    measure.add_argument("--corpus", type=Path, help="a recording for `ingest` to hear; made-up strangers without")
    measure.add_argument("--baud", type=int, choices=sorted(chip.RATES), help="of the reader's line in `tap`")
    measure.add_argument("--million", action="store_true", help="`snapshot`: switch to a million members, too")
    measure.add_argument(
        "--seconds",
        type=whole(1, 86_400),
        help="`footprint`: how long it watches; 120, an hour sees all that is written",
    )
    measure.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _add_evaluate(quality: argparse.ArgumentParser) -> None:
    quality.add_argument(
        "name", choices=["zones", "usual", "coupons", "learning", "restraint"], help="what to evaluate"
    )
    quality.add_argument(
        "--data",
        type=Path,
        help="a folder of recorded walks, of public baskets, or of the Open Bandit sample; what is installed without",
    )
    quality.add_argument("--plot", type=Path, help="learning, restraint: write a chart (SVG) to this file")
    quality.add_argument(
        "--people", type=whole(1, 100_000), default=evaluate_restraint.PEOPLE, help="restraint: how many"
    )
    quality.add_argument("--days", type=whole(1, 3_650), default=evaluate_restraint.DAYS, help="restraint: how long")
    quality.add_argument(
        "--seed", type=whole(0, 10**9), default=evaluate_restraint.SEED, help="restraint: another year"
    )
    quality.add_argument("--receivers", help="zones: how many, or ids with commas; 4 and all without")
    quality.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 1000:
        raise argparse.ArgumentTypeError("a number from 0.01 to 1000")
    return speed

"""What is wanted is fetched over a bad line and shown whole, or not at all."""

import asyncio
import errno
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.contentfiles import ContentFiles
from gateway.contents import FULL_AGAIN_MS, LATER_MS, MAX_TRIES, Contents
from gateway.core.brand import Brand, BrandPut, Font
from gateway.core.content import ContentPut, FileRef, Item
from gateway.core.fetching import AGAIN_MS, PIECE_BYTES, Piece, Want
from gateway.health import Health, Part
from gateway.store import Store
from tests.rigs.bundles import answer, picture, ref_of, template
from tests.rigs.pictures import png, webm, woff2
from tests.rigs.shop import Clock
from tests.rigs.waiting import until

ROOT_KEY = bytes(32)
FILM = webm(2 * PIECE_BYTES + 50, random.Random(2))
PICTURE = png(20, 10)
OLD = png(4, 4)
FONT = woff2()
FILES = {ref_of(data).sha256: data for data in (FILM, PICTURE, OLD, FONT)}


def shown(name: str, data: bytes, **other: Any) -> Item:
    kind = "video" if data is FILM else "image"
    return picture(name, **{"kind": kind, "file": ref_of(data)} | other)


class Box:
    """A gateway's contents on a real store, and a line to a headquarters that has `files`."""

    def __init__(self, folder: Path, files: dict[str, bytes] | None = None) -> None:
        self.folder = folder / "content"
        self.clock, self.health = Clock(), Health()
        self.store = Store(folder / "shop.db", "0" * 32, ROOT_KEY, self.clock.now_ms())
        self.changed: list[str] = []
        self.woken = 0
        self.asked: list[Want] = []
        self.files = FILES if files is None else files
        self.mangle: Callable[[Piece], Sequence[Piece]] = lambda piece: (piece,)
        self.contents = Contents(self.store, self.folder, self.clock, self.health, self.changed.append, self._woken)

    def _woken(self) -> None:
        self.woken += 1

    async def line(self) -> None:
        """Answers what is asked; a mangled answer comes too late once, and time then passes."""
        self.contents.connected()
        while True:
            try:
                async with asyncio.timeout(0.05):
                    wants = await self.contents.next_wants()
            except TimeoutError:
                self.clock.ms += AGAIN_MS
                continue
            for want in wants:
                self.asked.append(want)
                for piece in self.mangle(answer(self.files, want)):
                    self.contents.take(piece)
                    await asyncio.sleep(0)

    async def want(self, *items: Item, name: str = "1") -> None:
        await self.store.run(lambda tx: tx.put_content(ContentPut(name * 32, 1, 1, items)))
        self.contents.wanted()

    async def want_brand(self, brand: Brand) -> None:
        await self.store.run(lambda tx: tx.put_content(BrandPut(brand)))
        self.contents.wanted()

    @property
    def ids(self) -> list[str]:
        return [item.item_id for item in self.contents.items("bar", "coffee")]

    @property
    def part(self) -> Part | None:
        return next((part for part in self.health.parts if part.name == "content"), None)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.store.outbox_after(0, 100)
        return [(row.type, json.loads(row.body)) for row in rows]


@asynccontextmanager
async def running(box: Box, *, line: bool = True) -> AsyncIterator[Box]:
    await box.contents.load()
    tasks = [asyncio.create_task(box.contents.run())]
    if line:
        tasks.append(asyncio.create_task(box.line()))
    try:
        yield box
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        box.store.close()


async def test_a_bundle_is_shown_once_every_file_is_here(tmp_path: Path) -> None:
    async with running(Box(tmp_path)) as box:
        assert box.ids == []
        await box.want(shown("film", FILM), template("words"), shown("picture", PICTURE))
        await until(lambda: box.changed == ["content"])
        assert box.ids == ["film", "words", "picture"]
        for data, kind in ((FILM, "video/webm"), (PICTURE, "image/png")):
            found = await box.contents.file(ref_of(data).sha256)
            assert found is not None
            assert (found[0].read_bytes(), found[1]) == (data, kind)
        assert await box.contents.file("0" * 64) is None
        assert [one[0] for one in await box.events()] == ["content.applied"]
        assert box.woken == 1
        assert box.part is not None
        assert (box.part.state, box.part.detail) == ("ok", "")


async def test_words_alone_need_no_line(tmp_path: Path) -> None:
    async with running(Box(tmp_path), line=False) as box:
        await box.want(template("words"))
        await until(lambda: box.ids == ["words"])


async def test_what_was_shown_is_shown_after_a_restart(tmp_path: Path) -> None:
    async with running(Box(tmp_path)) as box:
        await box.want(shown("picture", PICTURE))
        await box.want_brand(Brand("Laden", {"accent": "#7a1f5c"}))
        await until(lambda: len(box.changed) == 2)
        look = box.contents.look
    async with running(Box(tmp_path), line=False) as again:
        assert again.ids == ["picture"]
        assert again.contents.look == look != ""
        assert again.contents.brand.name == "Laden"


async def test_another_bundle_takes_its_place_and_its_files_go(tmp_path: Path) -> None:
    async with running(Box(tmp_path)) as box:
        await box.want(shown("old", OLD), shown("both", PICTURE))
        await until(lambda: box.ids == ["old", "both"])
        box.asked.clear()
        await box.want(shown("both", PICTURE), shown("film", FILM), name="2")
        await until(lambda: box.ids == ["both", "film"])
        assert {want.sha256 for want in box.asked} == {ref_of(FILM).sha256}  # what is here is not asked for
        wanted = {ref_of(PICTURE).sha256, ref_of(FILM).sha256}
        await until(lambda: {path.name for path in box.folder.iterdir()} == wanted)


async def test_a_brand_with_logo_and_font(tmp_path: Path) -> None:
    brand = Brand("Laden", {}, {}, ref_of(OLD), (Font("text", "400", ref_of(FONT)),))
    async with running(Box(tmp_path)) as box:
        await box.want_brand(brand)
        await until(lambda: box.changed == ["brand"])
        assert box.contents.brand == brand
        await box.want_brand(Brand())
        await until(lambda: box.changed == ["brand", "brand"])
        assert box.contents.look == ""
        await until(lambda: not list(box.folder.iterdir()))


@pytest.mark.parametrize("seed", range(4))
async def test_a_bad_line_only_takes_longer(tmp_path: Path, seed: int) -> None:
    """Pieces are lost, come twice, late, of other files, and torn."""
    rng = random.Random(seed)
    late: list[Piece] = []

    def mangle(piece: Piece) -> list[Piece]:
        what = rng.choice(["lost", "twice", "late", "foreign", "torn", "whole", "whole"])
        found = {
            "lost": [],
            "twice": [piece, piece],
            "late": [],
            "foreign": [Piece("9" * 64, piece.start, piece.size, piece.data), piece],
            "torn": [Piece(piece.sha256, piece.start, piece.size, piece.data[:-1])],
            "whole": [piece],
        }[what]
        came, late[:] = list(late), [piece] if what == "late" else []
        return found + came

    box = Box(tmp_path)
    box.mangle = mangle
    async with running(box):
        await box.want(shown("film", FILM), shown("picture", PICTURE))
        await until(lambda: box.ids == ["film", "picture"])
        assert (box.folder / ref_of(FILM).sha256).read_bytes() == FILM


async def test_a_wrong_hash_is_asked_for_three_times_more_and_then_told(tmp_path: Path) -> None:
    wrong = dict(FILES) | {ref_of(PICTURE).sha256: bytes(len(PICTURE))}
    box = Box(tmp_path)
    async with running(box):
        await box.want(shown("old", OLD))
        await until(lambda: box.ids == ["old"])
        box.files = wrong
        await box.want(shown("picture", PICTURE), name="2")
        await until(lambda: box.part is not None and box.part.state == "degraded")
        assert box.ids == ["old"]
        assert box.health.counts["content.files_hash"] == 1 + MAX_TRIES
        told = {"name": "2" * 32, "reason": "hash", "sha256": ref_of(PICTURE).sha256}
        assert (await box.events())[-1] == ("content.refused", told)
        assert {path.name for path in box.folder.iterdir()} == {ref_of(OLD).sha256}

        box.clock.ms += LATER_MS  # an hour later it is tried again; told is it only once
        box.contents._stir.set()
        await until(lambda: box.health.counts["content.files_hash"] == 2 + 2 * MAX_TRIES)
        await until(lambda: box.health.counts["content.refused"] == 2)
        assert [one[0] for one in await box.events()].count("content.refused") == 1

        box.files = FILES
        box.contents.wanted()
        await until(lambda: box.ids == ["picture"])
        assert box.part is not None
        assert box.part.state == "ok"


async def test_a_hash_that_was_wrong_once_is_forgiven(tmp_path: Path) -> None:
    box = Box(tmp_path)
    sick = [True]

    def mangle(piece: Piece) -> list[Piece]:
        data = bytes(len(piece.data)) if sick and sick.pop() else piece.data
        return [Piece(piece.sha256, piece.start, piece.size, data)]

    box.mangle = mangle
    async with running(box):
        await box.want(shown("picture", PICTURE))
        await until(lambda: box.ids == ["picture"])
        assert box.health.counts["content.files_hash"] == 1


@pytest.mark.parametrize(
    ("item", "files", "reason"),
    [
        (shown("x", PICTURE), {}, "missing"),
        (shown("x", PICTURE, kind="video"), FILES, "type"),
        (picture("x", file=FileRef(ref_of(PICTURE).sha256, len(PICTURE) + 1)), FILES, "size"),
    ],
)
async def test_what_can_never_be_right_is_told_at_once(tmp_path: Path, item: Item, files: Any, reason: str) -> None:
    async with running(Box(tmp_path, files)) as box:
        await box.want(item)
        await until(lambda: box.health.counts.get("content.refused"))
        assert [(kind, body["reason"]) for kind, body in await box.events()] == [("content.refused", reason)]
        assert box.ids == []


async def test_parts_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    async with running(Box(tmp_path)) as box:
        for part in (1, 2):
            put = ContentPut("3" * 32, part, 2, (template("same"),))
            await box.store.run(lambda tx, put=put: tx.put_content(put))
        box.contents.wanted()
        await until(lambda: box.health.counts.get("content.refused"))
        assert (await box.events())[0][1]["reason"] == "items"
        assert box.ids == []


async def test_the_line_breaks_and_something_else_is_wanted_meanwhile(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.mangle = lambda piece: [] if piece.start else [piece]
    async with running(box):
        await box.want(shown("film", FILM))
        await until(lambda: (box.folder / (ref_of(FILM).sha256 + ".part")).exists() and box.asked)
        await box.want(shown("picture", PICTURE), name="2")
        await until(lambda: box.ids == ["picture"])
        await until(lambda: {path.name for path in box.folder.iterdir()} == {ref_of(PICTURE).sha256})


async def test_a_full_disk_keeps_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    append = ContentFiles.append

    def full(files: ContentFiles, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with running(box):
        await box.want(shown("old", OLD))
        await until(lambda: box.ids == ["old"])
        monkeypatch.setattr(ContentFiles, "append", full)
        await box.want(shown("film", FILM), name="2")
        await until(lambda: box.part is not None and box.part.state == "degraded")
        assert box.part is not None
        assert "no room" in box.part.detail
        assert box.ids == ["old"]
        monkeypatch.setattr(ContentFiles, "append", append)
        box.clock.ms += FULL_AGAIN_MS
        box.contents._stir.set()
        await until(lambda: box.ids == ["film"])
        assert box.part.state == "ok"


async def test_too_many_pieces_are_dropped(tmp_path: Path) -> None:
    box = Box(tmp_path)
    for _ in range(20):
        box.contents.take(Piece("9" * 64, 0, 5, b"12345"))
    assert box.health.counts["content.pieces_dropped"] == 12
    async with running(box):
        await until(lambda: box.health.counts.get("content.pieces_unasked") == 8)


class Died(BaseException):
    """The power went."""


class Mortal:
    """Counts steps, and dies before the one with the number `at`, or just after it."""

    def __init__(self, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = at
        for name in ("begin", "append", "finish", "drop_others"):
            self._wrap(ContentFiles, name, monkeypatch)
        run = Store.run

        async def watched(store: Store, *args: Any, **named: Any) -> Any:
            self.step()
            value = await run(store, *args, **named)
            self.step()
            return value

        monkeypatch.setattr(Store, "run", watched)

    def _wrap(self, kind: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = getattr(kind, name)

        def watched(*args: Any) -> Any:
            self.step()
            value = whole(*args)
            self.step()
            return value

        monkeypatch.setattr(kind, name, watched)

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died


async def test_a_power_cut_at_any_step_leaves_a_whole_bundle(tmp_path: Path) -> None:
    """Before it the old one, after it the new one; and the next start brings it to its end."""
    for number in range(1, 200):
        folder = tmp_path / str(number)
        folder.mkdir()
        first = Box(folder)
        async with running(first):
            await first.want(shown("old", OLD))
            await until(lambda first=first: first.ids == ["old"])
            await first.store.run(
                lambda tx: tx.put_content(ContentPut("2" * 32, 1, 1, (shown("film", FILM), shown("p", PICTURE))))
            )
        with pytest.MonkeyPatch.context() as patch:
            died = await dies(Box(folder), Mortal(number, patch))
        again = Box(folder)
        async with running(again):
            assert again.ids in (["old"], ["film", "p"])
            for item in again.contents.items("bar", "coffee"):
                assert item.file is not None
                assert (again.folder / item.file.sha256).read_bytes() == FILES[item.file.sha256]
            await until(lambda again=again: again.ids == ["film", "p"])
            await until(lambda again=again: len(list(again.folder.iterdir())) == 2)
        if not died:
            assert number > 20
            return
    raise AssertionError("it always dies")


async def dies(box: Box, _: Mortal) -> bool:
    """Run until the power goes, or all is done."""
    try:
        await box.contents.load()
        line = asyncio.create_task(box.line())
        run = asyncio.create_task(box.contents.run())
        for _ in range(3_000):
            if run.done() or box.changed:
                await asyncio.sleep(0.02)  # for the files that go
                break
            await asyncio.sleep(0.005)
        line.cancel()
        if run.done():
            return isinstance(run.exception(), Died)
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run
        return False
    except Died:
        return True
    finally:
        box.store.close()

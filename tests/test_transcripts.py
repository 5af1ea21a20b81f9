"""What each resolver says to a card or phone and hears from it, over nfcpy and the emulated chip, byte by byte.

Frames of ISO 14443-4 (with their block header) or of a Type 2 tag, without CRC: ">" to the card, "<" from it. Keys,
challenges and the phones' random bytes follow from stated hashes, so every run says the same.
"""

import asyncio
from pathlib import Path

import pytest

from drivers.ecp import VAS_ONLY
from drivers.talk import Found
from gateway.core.model import Proof
from gateway.emulator.chip import Pn532Rig
from gateway.emulator.draw import draws
from tests.rigs.desk import Kinds, counter, values

REST_S = 0.4  # some looks at a card that was read already

PROOFS = {
    "t2": Proof.BEARER,
    "t4": Proof.BEARER,
    "signed": Proof.SIGNED,
    "sun": Proof.PROVEN,
    "hce": Proof.PROVEN,
    "smarttap": Proof.BEARER,
    "vas": Proof.BEARER,
    "uid": Proof.BEARER,
}

TRANSCRIPTS = {
    "t2": """
> 3000
< 04c4440c74038d00fa480000e1101200
> 3004
< 0316d101125504636172642e6578616d
> 3008
< 706c652f74322f30fe00000000000000
""",
    "t4": """
> e080
< 0578807002
> 0200a4040007d276000085010100
< 029000
> 0300a4000c02e103
< 039000
> 0200b000000f
< 02000f20003b00340406e104080000009000
> 0300a4000c02e104
< 039000
> 0200b000003b
< 020016d101125504636172642e6578616d706c652f74342f309000
""",
    "signed": """
> 3000
< 044a3cfadfae6f001e480000e1103e00
> 3004
< 0380d1017c5504636172642e6578616d
> 3008
< 706c652f733f693d4d2d303030303030
> 300c
< 266b3d613126753d3126733d68705938
> 3010
< 62496773416c513846437038774f4f55
> 3014
< 76646f35537558487534545550725465
> 3018
< 6e577656564f356b6c4c7532454f5749
> 301c
< 704e5468706f417730453867514b2d62
> 3020
< 4b43596b514249724651676548436f61
> 3024
< 4241fe00000000000000000000000000
""",
    "sun": """
> e080
< 0578808002
> 0200a4040007d276000085010100
< 029000
> 0300a4000c02e103
< 039000
> 0200b000000f
< 02001720010000ff0406e104010000009000
> 0300a4000c02e104
< 039000
> 0200b0000060
< 020051d1014d550473686f702e746573742f633f706963635f646174613d3735353430343531313635344541314430444533434141324146
  43463636433526636d61633d45373943364530303842323346343731000000000000000000000000009000
""",
    "hce": """
> e080
< 0578808002
> 0200a4040010f047415445574159010d7d66bc0f793700
< 02534701da7b1bc79000
> 03801000002701da7b1bc7cba65410371f3cd78913d76daf81fddf6b49d2000d61636d652f6d756e6963682d3100
< 03010250e0be1010cb771c96828bcc43487f213c4d1b3b551e1e03263ab55af5779537e286a5cd7928e114b793a183b943359ee78a5f6ea4
  33ef8d29d09deb9fd043e0226468e7958a4532bc89ddc120da6a32ad53d5ccd42cbae3ac5af5bc43bcbf43853ca889ae1a825f22349a4e83
  16ed66376c41a6c3fcd068f0da24377c667b09494be78b300abd14b8c6a4ae17890250ab9000
""",
    "smarttap": """
> e080
< 0578808002
> 0200a4040010f047415445574159010d7d66bc0f793700
< 026a82
> 0300a404000a4f53452e5641532e303100
< 036f8184500a416e64726f6964506179c0020001c108cc00000000008080c220f305d4b771f881cee0e969e314b157a5d00c3d4658952e6f
  f0e44baa106661e9c32102d317f11dad24f065a612afb26801a5d0176f629dbc4d23f6757cc54497cba6fda523bf0c20611e4f09a0000004
  76d0000111870101730edf6d020000df4d020001df6201039000
> 0290530000bdd403b76e6772000194030a73657345861571df4d60a9000154039f637072cba65410371f3cd78913d76daf81fddf3a44e401
  76cdba51fbfde29752775d01010249c098f2da283f2872c198fe46475a601b5d0393720274f3707fcc9fce46d01200000001940348736967
  0430450220120b48037b5327a4dea2ae62cf8c6d701dcfc1088e1392361bc42196ddfa87e5022100d60a804005a3cc686a02ffaab939fa6f
  7b6a42c38da96039f972a23cceca73bb540305636c64040001234500
< 02d403376e727394030a73657345861571df4d60a9010154032164706b02d317f11dad24f065a612afb26801a5d0176f629dbc4d23f6757c
  c54497cba6fd9000
> 039050000036d40330737271000194030a73657345861571df4d60a9010114030b6d6572d40305636c640400012345540307736c72d40301
  7374720300
< 03d4036573727394030a73657345861571df4d60a9020154034f72656201420a179f6c043af65786a4a927a02109f73875f5c2e2b5e9db4a
  7879a7689fee36fcfae2fa6c250aec022a8fb5482d35d4278c5edb349cae0eab8d74bdc78e3fe5d1ddf6a1c6b6e25a122c60a23e9000
""",
    "vas": """
> e080
< 0578808002
> 0200a4040010f047415445574159010d7d66bc0f793700
< 026a82
> 0300a404000a4f53452e5641532e303100
< 036f1d50084170706c655061799f210201009f2404f305d4b79f23040000001e9000
> 0280ca0101379f220201009f2520437121f3d891f46c943dd9b7bc2ad909ca04ae7a8b1ae8226f1089f27d0b310e9f2604008000029f2b05
  010000000000
< 0270469f2a009f27401082aa4e92f9367c65f22f2af112d9271bcbb9062f481d2d5649615afff3b7c5a58ed558f46470f2ddf3cae78b2741
  35a94722ea2c6502350f3a02429bb200159000
""",
    "uid": """
> 3000
< 0417b72c88a70e002148000000000000
> 3003
< 00000000000000000000000000000000
""",
}


def frames(text: str) -> list[tuple[str, bytes]]:
    """A transcript's frames; a line that begins with blanks goes on with the one before."""
    joined = text.strip().replace("\n  ", "").splitlines()
    return [("->" if line[0] == ">" else "<-", bytes.fromhex(line[2:])) for line in joined]


def asks_nothing(way: str, frame: bytes) -> bool:
    """Whether a frame only finds out if the card is still there, or lets it go."""
    if way == "->":
        return frame in (b"\xb2", b"\xb3", b"\xc2", b"\x30\x00")  # R(NAK), S(DESELECT), READ of page 0
    return frame in (b"\xa2", b"\xa3", b"\xc2") or len(frame) == 16


@pytest.mark.parametrize("kind", TRANSCRIPTS)
async def test_a_tap_is_these_bytes_and_no_others(tmp_path: Path, kind: str) -> None:
    expected = frames(TRANSCRIPTS[kind])
    with Pn532Rig() as rig:
        async with counter(tmp_path, rig, random=draws("terminal")) as shop:
            rig.present(Kinds(seed="card").shown[kind](0))
            await shop.until(lambda: len(shop.outcomes) > 0, "the tap")
            await asyncio.sleep(REST_S)
            said = rig.transcript()
            assert said[: len(expected)] == expected
            assert [one for one in said[len(expected) :] if not asks_nothing(*one)] == []
            woken = {frame for _, frame in rig.ecp}
            assert woken == {VAS_ONLY} or (not woken and kind != "vas")
        [(_, _, outcome)] = shop.outcomes
        assert isinstance(outcome, Found)
        assert (outcome.token.kind, outcome.token.value) == values(0)[kind]
        assert outcome.proof is PROOFS[kind]
        assert shop.members() == ["anna"]

"""Files with some bytes changed; the same number gives the same file."""

import io
import random
import struct
import zipfile

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1_048_576)
SIGNS = (
    b"{",
    b"[",
    b'"',
    b"\\",
    b"\0",
    b"\n",
    b"\r",
    b"*a",
    b"&a ",
    b"- ",
    b"<",
    b"=",
    b",",
    b"&x;",
    b"-1",
    b"\x1f\x8b",
)
WORDS = (b"\\ud83d", b"\xff\xfe", b"\xed\xa0\x80", b"9" * 400, b"1e999", b"NaN", b"!!python/object ", b'r="XFD9"')
UNPACKED = ("xlsx", "ods")  # of most, a file inside of the archive is changed: else little but sums would fail


def mutated(sound: bytes, suffix: str, number: int) -> bytes:
    """The bytes of a sound file with a few changes."""
    dice = random.Random(f"{suffix} {number}")
    if suffix not in UNPACKED or dice.random() < 0.1:
        return _changed(sound, dice)
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(sorted(parts))
    parts[name] = _changed(parts[name], dice)
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return buffer.getvalue()


def _changed(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        if data:
            dice.choice((_bit, _byte, _byte, _number, _number, _cut, _double, _end, _word, _digits))(data, dice)
    return bytes(data)


def _bit(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _byte(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, dice.randrange(256)))


def _number(data: bytearray, dice: random.Random) -> None:
    form = dice.choice(("<I", ">I", "<H", ">H", "<Q", ">Q"))
    number = dice.choice(NUMBERS) & (256 ** struct.calcsize(form) - 1)
    at = dice.randrange(len(data))
    data[at : at + struct.calcsize(form)] = struct.pack(form, number)


def _cut(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.choice((1, 4, 8, dice.randrange(1, 100)))]


def _double(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    data[at:at] = data[at : at + dice.randrange(1, 100)] * dice.choice((1, 1, 2, 50, 1_000))


def _end(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def _word(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data))
    data[at:at] = dice.choice((*SIGNS, *WORDS)) * dice.choice((1, 1, 1, 3, 2_000))


def _digits(data: bytearray, dice: random.Random) -> None:
    """Another number in place of one that is written in digits."""
    places = [at for at in range(len(data)) if 48 <= data[at] <= 57]
    if places:
        data[(at := dice.choice(places)) : at + 1] = str(dice.choice(NUMBERS)).encode()

"""A machine whose power can be cut: what its processes wrote is lost or torn, what they synced is there.

``synced_image.c`` keeps, beside each file of a folder, what the file held when it was last synced. ``cut``
makes of that what a disk would hold when the power is back.
"""

import random
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: What a disk writes whole or not at all.
SECTOR = 512
DATABASE = "desk.db"


@dataclass(frozen=True)
class Machine:
    """``live`` is the folder its processes see, ``image`` what its disk is known to hold."""

    library: Path
    live: Path
    image: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.live / DATABASE}"

    @property
    def environ(self) -> Mapping[str, str]:
        """What a process of this machine is started with."""
        return {"LD_PRELOAD": str(self.library), "IMAGE_OF": str(self.live), "IMAGE_AT": str(self.image)}


def machine(folder: Path, database: Path) -> Machine:
    """A machine that is off, with a database on its disk. Needs ``cc``."""
    library = folder / "synced_image.so"
    source = Path(__file__).with_name("synced_image.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", source, "-o", library, "-ldl", "-lpthread"], check=True)
    made = Machine(library, folder / "live", folder / "image")
    made.live.mkdir()
    made.image.mkdir()
    for place in (made.live, made.image):
        shutil.copyfile(database, place / DATABASE)
    return made


def cut(machine: Machine, dice: random.Random) -> int:
    """The power goes, and comes back: ``live`` is what the disk held. Its processes must be dead.

    Each sector that was written and not synced is there or not, by the dice: in one cut of three none is,
    in the others some. Returns how many written sectors were lost.
    """
    survives = dice.choice((0.0, dice.random(), dice.random()))
    lost = 0
    for written in sorted(machine.live.iterdir()):
        kept = machine.image / written.name
        if kept.exists() and not written.name.endswith("-shm"):  # SQLite makes that anew
            lost += _tear(written, kept, survives, dice)
    shutil.rmtree(machine.live)
    shutil.copytree(machine.image, machine.live)
    return lost


def _tear(written: Path, kept: Path, survives: float, dice: random.Random) -> int:
    new, old = written.read_bytes(), kept.read_bytes()
    torn, lost = bytearray(old), 0
    for at in range(0, len(new), SECTOR):
        sector = new[at : at + SECTOR]
        if sector == old[at : at + SECTOR]:
            continue
        if dice.random() < survives:
            torn.extend(bytes(max(0, at - len(torn))))  # a hole reads as zeros
            torn[at : at + len(sector)] = sector
        else:
            lost += 1
    kept.write_bytes(torn)
    return lost

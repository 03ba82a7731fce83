"""Bytes that a fuzzer finds interesting, read as a message, signed and not. ``python tests/fuzz.py SECONDS``.

It needs ``atheris`` 3 (``pip install atheris``), which is not among our pinned packages: only this uses it.
A body that breaks something is written into ``corpus/`` as ``crash-….json``: keep it, the suite mutates it.
"""

import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).parent.parent)

import atheris

with atheris.instrument_imports(include=["payments"]):
    from payments.errors import InvalidInput, NotFromGateway
    from payments.gateways import strict_json
    from payments.gateways.ikhokha import Config, IKhokha, sign

from tests import mutants

PATH = "/webhooks/ikhokha"
HERE = "http://127.0.0.1/"
GATEWAY = IKhokha(Config("demo", "demo_secret", base_url=HERE, requester_url=HERE, link_hosts=("127.0.0.1",)))


def read(body: bytes) -> None:
    """Anything but these two errors is a finding, and so is a text that is not read as it was written."""
    for signature in (sign(PATH, body, "demo_secret"), "0" * 64):
        try:
            GATEWAY.read_event(PATH, {"ik-appid": "demo", "ik-sign": signature}, body)
        except (InvalidInput, NotFromGateway):
            continue
    GATEWAY.claimed_link(body)
    try:
        value = strict_json.loads(body)
        written = strict_json.dumps(value).encode()
    except (InvalidInput, TypeError):
        return
    if strict_json.loads(written) != value:
        raise AssertionError("it is not read as it was written")


def main(seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for nth, body in enumerate(mutants.parents("link00000000001")):
            Path(folder, str(nth)).write_bytes(body)
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
        crash = f"-artifact_prefix={mutants.CORPUS}/"
        atheris.Setup([sys.argv[0], folder, crash, *options], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)

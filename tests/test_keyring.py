"""What is encrypted opens with its own key, in its own place, as it was kept; nowhere else."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bootstrap
import environment
from payments.errors import CannotOpen, InvalidInput
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing

OLD, NEW = (keyring.read(keyring.new_key(name)) for name in ("2026", "2027"))
BOTH = KeyRing({**NEW.keys, **OLD.keys}, NEW.current)


@settings(max_examples=50)
@given(st.binary(max_size=200), st.text(max_size=30))
def test_what_was_sealed_opens_in_its_place(plain, about):
    sealed = OLD.seal(plain, about)
    assert OLD.open(sealed, about) == plain
    assert plain not in sealed or len(plain) < 4
    with pytest.raises(CannotOpen):
        OLD.open(sealed, about + "x")


def test_no_bit_of_it_can_be_changed():
    sealed = OLD.seal(b"R150 to Devconf", "proofs.sealed.1")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen):
            pytest.fail(f"byte {place}: {OLD.open(changed, 'proofs.sealed.1')!r}")
    for short in (b"", sealed[:5], sealed[:-1]):
        with pytest.raises(CannotOpen):
            OLD.open(short, "proofs.sealed.1")


def test_the_same_twice_is_never_the_same_text():
    assert len({OLD.seal(b"the same", "here") for _ in range(100)}) == 100


def test_a_new_key_encrypts_and_the_one_before_still_opens():
    before = OLD.seal(b"kept", "here")
    assert BOTH.open(before, "here") == b"kept"
    assert keyring.key_name(BOTH.seal(b"new", "here")) == "2027"
    with pytest.raises(CannotOpen, match="“2026” is not among ENCRYPTION_KEYS"):
        NEW.open(before, "here")


def test_without_a_key_nothing_is_kept():
    with pytest.raises(CannotOpen, match="no key to encrypt with"):
        KeyRing().seal(b"", "here")


@pytest.mark.parametrize(
    "text, says",
    [
        pytest.param("justakey", "key 1 is not 32 bytes", id="no name"),
        pytest.param(":abc", "key 1 needs a name", id="an empty name"),
        pytest.param("Ä:abc", "key 1 needs a name", id="a name of other letters"),
        pytest.param("k:c2hvcnQ=", "key 1 is not 32 bytes", id="short"),
        pytest.param("k:" + "A" * 43 + "=", "not drawn at random", id="nothing but noughts"),
        pytest.param(" ".join(["k:" + keyring.new_key("k")[2:]] * 2), "key 2 needs a name", id="twice"),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_repeated(text, says):
    with pytest.raises(InvalidInput, match=says) as refusal:
        keyring.read(text)
    assert "c2hvcnQ" not in str(refusal.value)


def test_keys_stand_in_no_repr():
    secret = next(iter(OLD.keys.values()))
    assert secret.hex() not in repr(OLD)
    assert str(secret) not in repr(OLD)
    settings_ = environment.read_settings(
        {"IKHOKHA_APP_ID": "demo", "ENCRYPTION_KEYS": keyring.new_key("a")}, None
    )
    assert str(settings_.keys.keys["a"]) not in repr(settings_)


def test_a_demo_desk_draws_its_key_once_and_only_its_owner_reads_it(tmp_path):
    demo = {"IKHOKHA_APP_ID": "demo", "DATA_DIR": str(tmp_path)}
    first, second = (bootstrap.build(environment.read_settings(demo, None)) for _ in range(2))
    assert second.keys.open(first.keys.seal(b"kept", "here"), "here") == b"kept"
    assert stat.S_IMODE((tmp_path / "demo.keys").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "keys" in path.name] == ["demo.keys"]


def test_a_fault_of_a_key_is_told_with_the_other_faults():
    with pytest.raises(InvalidInput, match="ENCRYPTION_KEYS: key 1"):
        environment.read_settings({"IKHOKHA_APP_ID": "demo", "ENCRYPTION_KEYS": "x"}, None)

"""Settings: what is right is taken, what is wrong is one line that names it and shows no value."""

import os
import stat
from pathlib import Path

import pytest

from entrypoints.settings import Settings, SettingsError, load_settings
from tests.journeys.server import SECRET

POSTGRESQL = "postgresql+asyncpg://harbor:pw@127.0.0.1:5432/harbor"
STRIPE_KEY = "sk_test_" + "a1B2" * 6
NUMBERS = [
    name for name, field in Settings.model_fields.items() if field.annotation in (int, float)
]
WRONG = {
    "database_url": [
        *("v4lue", "postgresql://harbor:v4lue@127.0.0.1/x", "mysql+aiomysql://v4lue@127.0.0.1/x"),
        *("sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "sqlite:///v4lue.db"),
        *(f"{POSTGRESQL}?sslmode=v4lue", "://v4lue"),
        "postgresql+asyncpg://harbor:v4lue@127.0.0.1:port/x",
        "postgresql+asyncpg://harbor:v4lue@127.0.0.1:99999/x",
        *(f"{POSTGRESQL}?v4lue=1", f"{POSTGRESQL}?port=v4lue", f"{POSTGRESQL}?ssl=v4lue"),
        f"{POSTGRESQL}?prepared_statement_cache_size=v4lue",
        "sqlite+aiosqlite:///file::memory:?uri=true",
        *("sqlite+aiosqlite:////nowhere/v4lue.db", f"sqlite+aiosqlite:///{'v4lue' * 99}/x.db"),
    ],
    "redis_url": [
        *("v4lue", "http://v4lue", "127.0.0.1:6379", "memcached://v4lue"),
        *("redis://127.0.0.1:v4lue/0", "redis://127.0.0.1:99999", "redis://127.0.0.1/v4lue"),
        *("redis://127.0.0.1?v4lue=1", "redis://127.0.0.1?db=v4lue", "unix:///x?db=v4lue"),
    ],
    "secret_key": [
        *("v4lue", "v4lue-too-short-to-be-a-secret", "v4lue" * 20, "x" * 64),
        *("change-this-v4lue-key-in-production-9", "0123456789abcdef0123456789abcdef"),
        *("MySuperSecretKeyForProduction-v4lue-x7", "Example-Key-0f8e7d6c5b4a39281706-zyxw"),
    ],
    "gateway": ["v4lue", "STRIPE", "SIMULATED"],
    **{
        name: [
            *("v4lue", "ftp://v4lue", "http://", "https://v4lue:port", "http://v4lue:99999"),
            *("http://user:v4lue@x", "http://x/?v4lue", "http://x/#v4lue", "//v4lue"),
        ]
        for name in ("gateway_url", "stripe_api_base")
    },
    "stripe_api_key": ["v4lue", "pk_live_v4lue1234567890", "sk_v4lue 1234567", "sk_live_é-v4lue"],
    "log_format": ["v4lue", "JSON ", "xml"],
    "webhook_allow_loopback": ["v4lue", "2", "yes please"],
    "cors_origins": ["v4lue", "*", "https://shop.example, v4lue", "shop.example"],
    **{
        name: ["v4lue", "0", "-1", "1e400", "nan", "inf", "999999999999", "1,5", "0x10"]
        for name in NUMBERS
    },
    "webhook_lease_seconds": ["v4lue", "0", "24.9", "3601", "1e400", "nan", "inf", "60,0"],
}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with no settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("HARBOR_"):
            monkeypatch.delenv(name)


def _refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings()
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_without_any_setting_the_embedded_default_is_in_force(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.is_embedded
    assert settings.effective_database_url == f"sqlite+aiosqlite:///{tmp_path}/.harbor/harbor.db"
    assert settings.replay_cache == "none"
    assert settings.gateway == "simulated"


def test_every_setting_has_wrong_values_here() -> None:
    assert set(WRONG) | {"data_dir"} == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_one_line_that_names_the_setting_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"HARBOR_{name.upper()}", value)
    message = _refusal()
    assert message.startswith(f"HARBOR_{name.upper()} ")
    assert "v4lue" not in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("database_url", POSTGRESQL, POSTGRESQL),
        ("database_url", "sqlite+aiosqlite:////tmp/x.db", "sqlite+aiosqlite:////tmp/x.db"),
        ("redis_url", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis_url", "rediss://cache.example", "rediss://cache.example"),
        ("redis_url", "unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis_url", "redis://:p%40ss@[::1]:6379/15", "redis://:p%40ss@[::1]:6379/15"),
        ("redis_url", "rediss://c?ssl_ca_certs=/ca.pem", "rediss://c?ssl_ca_certs=/ca.pem"),
        ("database_url", f"{POSTGRESQL}?ssl=require", f"{POSTGRESQL}?ssl=require"),
        (
            "database_url",
            f"{POSTGRESQL}?host=/run/postgresql",
            f"{POSTGRESQL}?host=/run/postgresql",
        ),
        ("gateway", "simulated", "simulated"),
        ("gateway_url", "http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("gateway_url", "https://gateway.internal/sim", "https://gateway.internal/sim"),
        ("stripe_api_base", "http://127.0.0.1:12111", "http://127.0.0.1:12111"),
        ("log_format", "console", "console"),
        ("cors_origins", "https://a.example", ("https://a.example",)),
        ("cors_origins", " https://a.example , http://b,", ("https://a.example", "http://b")),
        ("pool_size", "500", 500),
        ("head_seconds", "0.5", 0.5),
        ("shutdown_seconds", "3600", 3600.0),
    ],
)
def test_a_right_value_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: object
) -> None:
    monkeypatch.setenv("HARBOR_SECRET_KEY", SECRET)
    monkeypatch.setenv(f"HARBOR_{name.upper()}", value)
    assert getattr(load_settings(), name) == expected


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"data_dir"}))
def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"HARBOR_{name.upper()}", "")
    default = Settings.model_fields[name].default
    settings = load_settings()
    if name != "secret_key":
        assert getattr(settings, name) == default
    assert settings.is_embedded


def test_a_file_of_settings_is_read_and_the_environment_counts_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("HARBOR_POOL_SIZE=3\nHARBOR_HEAD_SECONDS=4\nOTHER=5\n")
    monkeypatch.setenv("HARBOR_HEAD_SECONDS", "6")
    settings = load_settings()
    assert (settings.pool_size, settings.head_seconds) == (3, 6.0)


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("HARBOR_DATABSE_URL", "HARBOR_DATABASE_URL"),
        ("HARBOR_DATABASE_URI", "HARBOR_DATABASE_URL"),
        ("HARBOR_DATABASEURL", "HARBOR_DATABASE_URL"),
        ("HARBOR_REDIS_URLS", "HARBOR_REDIS_URL"),
        ("HARBOR_SECRETKEY", "HARBOR_SECRET_KEY"),
        ("HARBOR_POOLSIZE", "HARBOR_POOL_SIZE"),
    ],
)
def test_a_misspelt_setting_is_refused_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, typo: str, meant: str
) -> None:
    if where == "file":
        (tmp_path / ".env").write_text(f"{typo}=v4lue\n")
    else:
        monkeypatch.setenv(typo, "v4lue")
    message = _refusal()
    assert message == f"{typo} is not a setting: did you mean {meant}?"
    assert not (tmp_path / ".harbor").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("HARBOR_TEST_DATABASE_URL", "HARBOR_TEST_REDIS_URL"),
        *("HARBOR_PROOFS", "HARBOR_PORT", "HARBORMASTER"),
    ],
)
def test_other_names_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert load_settings().is_embedded


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"GATEWAY": "stripe"}, "HARBOR_STRIPE_API_KEY is missing"),
        (
            {"GATEWAY": "stripe", "STRIPE_API_KEY": STRIPE_KEY, "GATEWAY_URL": "http://x"},
            "HARBOR_GATEWAY_URL is for the simulated gateway",
        ),
        (
            {"STRIPE_API_BASE": "http://stripe.example"},
            "HARBOR_STRIPE_API_BASE must begin with https",
        ),
        ({"LEASE_SECONDS": "20"}, "HARBOR_LEASE_SECONDS must be above two times"),
        ({"GATEWAY_SECONDS": "15"}, "HARBOR_LEASE_SECONDS must be above two times"),
    ],
)
def test_settings_that_do_not_go_together_are_one_line_that_names_the_one_to_change(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"HARBOR_{name}", value)
    message = _refusal()
    assert message.startswith(says)
    assert STRIPE_KEY not in message


def test_stripe_is_asked_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOR_GATEWAY", "stripe")
    monkeypatch.setenv("HARBOR_STRIPE_API_KEY", STRIPE_KEY)
    settings = load_settings()
    assert settings.gateway_kind == "stripe"
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert STRIPE_KEY not in repr(settings)


@pytest.mark.parametrize("url", [POSTGRESQL, "sqlite+aiosqlite:////tmp/x.db"])
def test_outside_the_embedded_default_a_secret_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HARBOR_DATABASE_URL", url)
    assert _refusal().startswith("HARBOR_SECRET_KEY is missing")
    assert not (tmp_path / ".harbor").exists()
    monkeypatch.setenv("HARBOR_SECRET_KEY", SECRET)
    assert load_settings().secret == SECRET.encode()


def test_the_embedded_secret_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    first = load_settings().secret
    file = tmp_path / ".harbor" / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == first.decode()
    assert load_settings().secret == first
    assert [each.name for each in file.parent.iterdir()] == ["secret_key"]


def test_two_directories_have_two_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = set()
    for name in ("a", "b"):
        monkeypatch.setenv("HARBOR_DATA_DIR", str(tmp_path / name / "deep"))
        secrets.add(load_settings().secret)
    assert len(secrets) == 2


def test_a_damaged_secret_is_not_replaced(tmp_path: Path) -> None:
    load_settings()
    file = tmp_path / ".harbor" / "secret_key"
    file.write_text("half")
    assert "secret_key is damaged" in _refusal()
    assert file.read_text() == "half"


def test_a_data_directory_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for unusable in ("file", "file/below"):
        monkeypatch.setenv("HARBOR_DATA_DIR", str(tmp_path / unusable))
        assert _refusal().startswith("HARBOR_DATA_DIR cannot be used: ")


def test_a_secret_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".harbor" / "secret_key").mkdir(parents=True)
    assert _refusal().startswith("HARBOR_DATA_DIR cannot be used: ")


def test_settings_do_not_show_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOR_SECRET_KEY", SECRET)
    assert SECRET not in repr(load_settings())

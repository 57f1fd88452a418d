"""The settings: the only reader of the environment and of `.env`."""

import difflib
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from entrypoints.setting_urls import (
    check_database_url,
    check_http_url,
    check_redis_url,
    wrong_setting,
)

_PREFIX: Final = "HARBOR_"
_FILE: Final = ".env"
_SECRET_LENGTH: Final = 32
_SECRET_DISTINCT: Final = 10
_WELL_KNOWN: Final = (
    *("change", "secret", "example", "password", "default", "harbor", "your-key", "your_key"),
    *("012345", "123456", "abcdef", "qwerty", "foobar", "placeholder"),
)
_STRIPE_KEY: Final = re.compile(r"(sk|rk)_[0-9A-Za-z_]{8,250}")
_LEASE_MARGIN_SECONDS: Final = 0.5
"""For what lies between the calls and the recording."""

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_KEPT_IN: Final = "secret_key"
_TYPO_LIKENESS: Final = 0.9
_NOT_SETTINGS: Final = ("HARBOR_TEST_",)

Seconds = Annotated[float, Field(ge=0.1, le=3600, allow_inf_nan=False)]


class SettingsError(Exception):
    """A setting is wrong. The message is one line that names it and never shows its value."""


class Settings(BaseSettings):
    """Every setting, with its default. In the environment each has the prefix HARBOR_."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: str | None = None
    redis_url: str | None = None
    secret_key: SecretStr | None = None
    data_dir: Path = Path(".harbor")
    gateway: Literal["simulated", "stripe"] = "simulated"
    gateway_url: str | None = None
    stripe_api_key: SecretStr | None = None
    stripe_api_base: str = "https://api.stripe.com"
    webhook_allow_loopback: bool | None = None
    log_format: Literal["json", "console"] | None = None
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()

    pool_size: int = Field(10, ge=1, le=500)
    commit_lanes: int = Field(6, ge=1, le=100)
    commit_batch_size: int = Field(128, ge=1, le=1_000)
    commit_queue_size: int = Field(1_000, ge=1, le=100_000)
    pool_wait_seconds: Seconds = 5.0
    connect_seconds: Seconds = 5.0
    statement_seconds: Seconds = 5.0
    lock_seconds: Seconds = 2.0
    in_progress_wait_seconds: Seconds = 2.0
    outcome_wait_seconds: Seconds = 10.0
    write_deadline_seconds: Seconds = 25.0
    replay_cache_seconds: int = Field(86_400, ge=1, le=2_592_000)
    lease_seconds: Seconds = 30.0
    gateway_seconds: Seconds = 10.0
    gateway_concurrency: int = Field(384, ge=1, le=10_000)
    webhook_concurrency: int = Field(200, ge=1, le=10_000)
    # An attempt takes up to 20 seconds, and has to be recorded before somebody else may begin.
    webhook_lease_seconds: float = Field(60.0, ge=25, le=3600, allow_inf_nan=False)
    worker_poll_seconds: Seconds = 0.25
    reconcile_after_seconds: Seconds = 30.0
    retry_pause_seconds: Seconds = 300.0
    stream_limit: int = Field(1_000, ge=1, le=100_000)
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 30.0
    shutdown_seconds: Seconds = 30.0

    @property
    def is_embedded(self) -> bool:
        """The embedded default is in force exactly when no database was named."""
        return self.database_url is None

    @property
    def effective_database_url(self) -> str:
        if self.database_url is not None:
            return self.database_url
        return f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'harbor.db'}"

    @property
    def database_kind(self) -> Literal["postgresql", "sqlite"]:
        return "sqlite" if self.effective_database_url.startswith("sqlite") else "postgresql"

    @property
    def effective_log_format(self) -> Literal["json", "console"]:
        """What was asked for; else for a person at a terminal, or for a machine."""
        return self.log_format or ("console" if sys.stderr.isatty() else "json")

    @property
    def gateway_kind(self) -> Literal["in_process", "remote", "stripe"]:
        """The gateway, and where the simulated one runs."""
        if self.gateway == "stripe":
            return "stripe"
        return "in_process" if self.gateway_url is None else "remote"

    @property
    def may_webhooks_loop_back(self) -> bool:
        """To this machine: only where that is a developer's, unless it was said."""
        allowed = self.webhook_allow_loopback
        return self.is_embedded if allowed is None else allowed

    @property
    def gateway_ledger(self) -> Path:
        """Where the simulated gateway keeps its books."""
        return self.data_dir.absolute() / "gateway.db"

    @property
    def secret(self) -> bytes:
        """The service's secret. `load_settings` saw to it that there is one."""
        if self.secret_key is None:
            raise SettingsError(f"{_PREFIX}SECRET_KEY is missing")
        return self.secret_key.get_secret_value().encode()

    @property
    def replay_cache(self) -> Literal["redis", "none"]:
        return "none" if self.redis_url is None else "redis"

    @field_validator("database_url")
    @classmethod
    def _speaks_a_known_database(cls, url: str | None) -> str | None:
        if url is not None:
            check_database_url(url)
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_a_redis_url(cls, url: str | None) -> str | None:
        if url is not None:
            check_redis_url(url)
        return url

    @field_validator("gateway_url", "stripe_api_base")
    @classmethod
    def _is_an_http_url(cls, url: str | None) -> str | None:
        if url is not None:
            check_http_url(url)
        return url

    @field_validator("stripe_api_key")
    @classmethod
    def _is_a_stripe_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _STRIPE_KEY.fullmatch(key.get_secret_value()):
            raise wrong_setting("must be a secret or restricted key of Stripe: sk_... or rk_...")
        return key

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _is_a_list(cls, origins: object) -> object:
        if not isinstance(origins, str):
            return origins
        listed = tuple(origin.strip() for origin in origins.split(",") if origin.strip())
        if any(not origin.startswith(("http://", "https://")) for origin in listed):
            raise wrong_setting("is a comma-separated list of origins such as https://shop.example")
        return listed

    @field_validator("secret_key")
    @classmethod
    def _is_a_real_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _is_strong(secret.get_secret_value()):
            raise wrong_setting(
                f"must be at least {_SECRET_LENGTH} random characters, for example from"
                " `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
        return secret


def load_settings() -> Settings:
    """The settings of this process, complete and checked.

    In the embedded default the secret is made on first use and kept in the data directory.
    Raises SettingsError.
    """
    try:
        _refuse_typos()
        settings = Settings()
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{_FILE} is not UTF-8 text") from None
    _check_together(settings)
    if settings.secret_key is not None:
        return settings
    if not settings.is_embedded:
        raise SettingsError(
            f"{_PREFIX}SECRET_KEY is missing: it is required once {_PREFIX}DATABASE_URL is set"
        )
    return settings.model_copy(update={"secret_key": SecretStr(_embedded_secret(settings))})


def _check_together(settings: Settings) -> None:
    """What no setting can be judged by alone. Raises SettingsError."""
    if settings.gateway == "stripe" and settings.stripe_api_key is None:
        raise SettingsError(
            f"{_PREFIX}STRIPE_API_KEY is missing: it is required where {_PREFIX}GATEWAY is stripe"
        )
    if settings.gateway == "stripe" and settings.gateway_url is not None:
        raise SettingsError(
            f"{_PREFIX}GATEWAY_URL is for the simulated gateway: unset it where {_PREFIX}GATEWAY"
            " is stripe"
        )
    base = urlsplit(settings.stripe_api_base)
    if base.scheme == "http" and base.hostname not in _LOOPBACK:
        raise SettingsError(
            f"{_PREFIX}STRIPE_API_BASE must begin with https://: the API key would travel in the"
            " clear"
        )
    if settings.lease_seconds < 2 * settings.gateway_seconds + _LEASE_MARGIN_SECONDS:
        raise SettingsError(
            f"{_PREFIX}LEASE_SECONDS must be above two times {_PREFIX}GATEWAY_SECONDS by"
            f" {_LEASE_MARGIN_SECONDS:g} at least: a claim asks the gateway up to two times"
        )


def _is_strong(secret: str) -> bool:
    """Long, varied, and without the words of examples and the runs of a keyboard."""
    long = len(secret) >= _SECRET_LENGTH and len(set(secret)) >= _SECRET_DISTINCT
    return long and not any(word in secret.lower() for word in _WELL_KNOWN)


def _embedded_secret(settings: Settings) -> str:
    path = settings.data_dir / _KEPT_IN
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create_secret(path)
        secret = path.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingsError(
            f"{_PREFIX}DATA_DIR cannot be used: {error.strerror or 'no access'}"
        ) from error
    if len(secret) < _SECRET_LENGTH:
        raise SettingsError(
            f"{path} is damaged: restore it, or delete it to have a new one made (open cursors"
            " and stored secrets become unreadable)"
        )
    return secret


def _create_secret(path: Path) -> None:
    # Written beside and linked: two processes that start at once agree on one, never half of one.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(_SECRET_LENGTH))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _refuse_typos() -> None:
    """A misspelt HARBOR_DATABASE_URL would quietly start on an empty SQLite file."""
    known = [_PREFIX + name.upper() for name in Settings.model_fields]
    for name in (*os.environ, *dotenv_values(_FILE)):
        if not name.startswith(_PREFIX) or name in known or name.startswith(_NOT_SETTINGS):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=_TYPO_LIKENESS)
        if close:
            raise SettingsError(f"{name} is not a setting: did you mean {close[0]}?")


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = _PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
    return f"{name} {first['msg'][0].lower()}{first['msg'][1:]}"

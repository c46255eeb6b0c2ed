"""Settings: ``BOROUGH_…`` variables, then ``borough.toml`` in the home, then defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ciaas.computing.reach import Reach
from security.limits import (
    DEVICE_CERTIFICATE_DAYS,
    DEVICE_CERTIFICATE_DAYS_MAX,
    DEVICE_CERTIFICATE_DAYS_MIN,
    QUOTA_MAX,
)

_LOCAL = ("127.0.0.1", "::1", "localhost")
_NO_PATH = (("", "", ""), ("/", "", ""))
"""Of the parts of an address behind its host."""


class SettingsError(Exception):
    """A setting is wrong; the message names it and what it should be."""


class Listen(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        return self.host == "localhost" or self.host.startswith("127.") or self.host == "::1"


def _listen(text: object) -> object:
    if not isinstance(text, str):
        return text
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is not host:port")
    return Listen(host, int(port))


def _reachable(entries: tuple[str, ...]) -> tuple[str, ...]:
    Reach.of(entries)
    return entries


def _public(url: str) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    if url and not (secure and parts.hostname and parts[2:] in _NO_PATH):
        raise ValueError(
            f"{url!r} is no address of https, such as https://city.example, without a path"
        )
    return url.rstrip("/")


ListenText = Annotated[Listen, NoDecode, BeforeValidator(_listen)]


class Settings(BaseSettings):
    """Every setting of the platform, with its default."""

    model_config = SettingsConfigDict(env_prefix="BOROUGH_", extra="forbid")

    home: Path = Field(default_factory=lambda: default_home())
    """Data directory: everything Borough keeps lies in it."""
    http: ListenText = Listen("127.0.0.1", 8080)
    https: bool = False
    """Speak TLS on ``http``, with a certificate of the own authority unless one is given."""
    https_cert: Path | None = None
    """PEM file with the whole chain; turns TLS on."""
    https_key: Path | None = None
    public_url: Annotated[str, AfterValidator(_public)] = ""
    """Where people and applications reach the platform, behind a proxy for instance; tokens name it
    as their issuer. Empty for the address of ``http``."""
    est: ListenText | None = None
    """Where devices enrol and renew by EST, over TLS."""
    mqtts: ListenText = Listen("127.0.0.1", 8883)
    """Stock cloud.iO devices insist on port 8883."""
    sync_interval: Literal["1s", "always"] = "1s"
    """How often the broker flushes to disk: what a power loss may take of accepted messages."""
    future_s: float = Field(default=300.0, gt=0)
    """A sample further ahead of its arrival than this is set aside."""
    live_max_age_s: float = Field(default=86_400.0, gt=0)
    live_max_bytes: int = Field(default=1_000_000_000, gt=10_000_000)
    internal_max_bytes: int = Field(default=1_000_000_000, gt=10_000_000)
    """Adapters feel back-pressure when so much waits for core."""
    broker_store_bytes: int = Field(default=20_000_000_000, gt=100_000_000)
    objects_project_bytes: int = Field(default=10_000_000_000, gt=0)
    """Room of each project for objects."""
    bus_tls: bool = False
    """Have the roles speak TLS with the broker too, on their loopback port."""
    bus_client: Literal["wire", "nats-py"] = "wire"
    """What reads the streams of samples: our own reader, or nats-py at a fraction of its rate."""
    device_certificate_days: float = Field(
        default=DEVICE_CERTIFICATE_DAYS, gt=0, le=DEVICE_CERTIFICATE_DAYS_MAX
    )
    """Life of a device's certificate."""
    device_certificate_days_min: float = Field(default=DEVICE_CERTIFICATE_DAYS_MIN, gt=0)
    """The shortest life that may be set or asked for; less than a week is for tests alone."""
    certificate_names: tuple[str, ...] = ()
    """Further names and addresses that devices use for this machine."""
    outgoing_allow: Annotated[tuple[str, ...], AfterValidator(_reachable)] = ()
    """Private networks and hosts that webhooks and web adapters may reach."""
    record_copy: Path | None = None
    """Folder for a copy of the record's checkpoints, such as a mounted share of another machine."""
    project: str = "city"
    """Name of the project that set-up creates."""
    mode: Literal["private", "public"] = "private"
    """Private has one project; in public mode further ones can be made."""
    project_creation: Literal["operators", "users"] = "operators"
    """Who makes projects in public mode."""
    projects_per_user: int = Field(default=3, ge=0, le=1_000)
    """Projects that a user may own and still make another: no more than so many."""
    quota_endpoints: int = Field(default=0, ge=0, le=QUOTA_MAX)
    """Of each project for which an operator set nothing else; 0 for no bound, and so below."""
    quota_points: int = Field(default=0, ge=0, le=QUOTA_MAX)
    quota_messages_per_s: int = Field(default=0, ge=0, le=QUOTA_MAX)
    """Of devices; over ten seconds."""
    quota_storage_bytes: int = Field(default=0, ge=0, le=QUOTA_MAX)
    """Samples in history; objects have ``objects_project_bytes``."""
    quota_query_s_per_hour: int = Field(default=0, ge=0, le=QUOTA_MAX)
    observe_each_s: float = Field(default=10.0, ge=0)
    """How often host, stores, queues, objects and jobs are measured as points of the project
    ``platform``; 0 for never."""
    console_build: bool = True
    """Build the web console in the background when its sources have changed."""

    @model_validator(mode="after")
    def _both_files(self) -> Self:
        if (self.https_cert is None) != (self.https_key is None):
            raise ValueError("https_cert and https_key are given together")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        quotas = [name for name in type(self).model_fields if name.startswith("quota_")]
        missing = [name for name in quotas if not getattr(self, name)]
        if self.project_creation == "users" and missing:
            raise ValueError(
                "when users make projects, each quota needs a bound; set " + ", ".join(missing)
            )
        return self

    @model_validator(mode="after")
    def _life(self) -> Self:
        if self.device_certificate_days < self.device_certificate_days_min:
            raise ValueError(
                f"device_certificate_days is {self.device_certificate_days_min:g} to "
                f"{DEVICE_CERTIFICATE_DAYS_MAX}"
            )
        return self

    @property
    def secure(self) -> bool:
        """True when the API speaks TLS."""
        return self.https or self.https_cert is not None

    @property
    def base_url(self) -> str:
        """Where the API is reached on this machine, without a path."""
        host = "127.0.0.1" if self.http.host in ("0.0.0.0", "::") else self.http.host  # noqa: S104 - recognised, not listened on
        return f"{'https' if self.secure else 'http'}://{host}:{self.http.port}"

    @property
    def issuer(self) -> str:
        """Address by which others know this platform, without a slash at its end."""
        return self.public_url or self.base_url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the home's ``borough.toml``."""
        home = Path(os.environ.get("BOROUGH_HOME") or default_home())
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, home / "borough.toml"),
        )


def default_home() -> Path:
    """Return the data directory used when BOROUGH_HOME is not set."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "borough"


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SettingsError: one is wrong; the message names it.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        told = f"setting {name!r}: {first['msg']}" if name else f"settings: {first['msg']}"
        raise SettingsError(told) from error
    except ValueError as error:
        raise SettingsError(f"borough.toml: {error}") from error
    return settings.model_copy(update={"home": settings.home.expanduser().absolute()})

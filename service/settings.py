"""Every setting, in small frozen groups, read once at start; what is wrong is said by name."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from service.asking_settings import AskingSettings, Group, Positive, Share
from service.drift_settings import DriftSettings
from service.model_settings import ModelSettings

PREFIX = "ASKANCE_"
NOT_SETTINGS = {"ASKANCE_TEST_KAFKA", "ASKANCE_CACHE", "ASKANCE_CONFIG"}

Output = Annotated[str, Field(min_length=1, max_length=512)]


class Misconfigured(Exception):
    """The configuration cannot be used; the text names the setting, the value and what is expected."""


class LogSettings(Group):
    """The log, whichever it is."""

    prefix: str = Field(
        "", pattern=r"^[A-Za-z0-9._-]*$", description="put before the names of topics, groups and writers"
    )
    create_topics: bool = Field(True, description="create missing topics; false: refuse to start without them")
    partitions: int = Field(4, ge=1, le=4096, description="partitions of topics that are created")
    replication: int = Field(-1, ge=-1, le=32, description="replicas of topics that are created; -1: Kafka decides")
    keep_bytes: int | None = Field(None, ge=1_000_000, description="bytes kept of one partition; none: by age alone")
    batch: int = Field(1000, ge=1, le=100_000, description="most products taken in one step")
    wait_seconds: float = Field(0.2, ge=0.0, le=10.0, description="longest wait for the first record of a step")
    max_bytes: int = Field(1_000_000, ge=1_000, le=64_000_000, description="largest record decoded")


class KafkaSettings(Group):
    """The Kafka log; used when `bootstrap` is set."""

    bootstrap: str = Field("", description="host:port[,host:port...]; empty: the embedded log in data_dir")
    client: Literal["kafka-python", "confluent"] = Field(
        "kafka-python", description="client library; confluent is faster and needs the extra askance[confluent]"
    )
    writer_apart: bool = Field(
        True, description="`askance score` with kafka-python: publish from a process of its own, beside the scoring"
    )
    group: str = Field("askance", min_length=1, description="consumer group of the scorers")
    instance: str = Field("0", min_length=1, description="stable name of this process: static membership, transactions")
    security: dict[str, str | int | bool] = Field(
        default_factory=dict,
        description="security_protocol, ssl_* and sasl_* options under kafka-python's names, for either client",
    )
    timeout_seconds: Positive = Field(30.0, description="limit of every blocking call to the broker")
    session_seconds: float = Field(
        45.0, ge=1.0, le=1_800.0, description="silence after which a scorer's products go to the others"
    )

    @field_validator("security")
    @classmethod
    def _said_in_text(cls, security: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        # A variable can say false only as text, and any text is true to the client.
        said = {"true": True, "false": False}.get(str(security.get("ssl_check_hostname", "")).lower())
        return security if said is None else {**security, "ssl_check_hostname": said}


class LearningSettings(Group):
    """The learner's state and pace."""

    annotators_per_query: int = Field(1, ge=1, le=100, description="answers that settle a query")
    batch: int = Field(64, ge=1, le=10_000, description="most queries and labels taken in one step")
    checkpoint_seconds: Positive = Field(60.0, description="longest time between checkpoints while learning")
    snapshot_seconds: float = Field(
        0.5, ge=0.01, le=60.0, description="`askance learn`: shortest time between two models sent to scorers"
    )
    checkpoints_kept: int = Field(3, ge=2, le=100, description="checkpoints kept on disk")
    seed: int = Field(0, ge=0, description="seed of the model's initial state")
    threads: int = Field(1, ge=1, le=256, description="threads of the tensor library; more pay on large models only")
    device: str = Field("cpu", description="torch device: cpu, cuda, cuda:1 ...")
    encoder_device: str = Field("auto", description="torch device of a pretrained encoder; auto: a GPU if there is one")
    encoder_cache: int = Field(
        50_000, ge=1, le=10_000_000, description="texts whose embeddings an encoder remembers while it runs"
    )
    confirm_removed: tuple[str, ...] = Field((), description="outputs that may be dropped with all they have learnt")


class TargetSettings(Group):
    """When an output is good enough or labels no longer pay: nothing is asked for its sake until a new epoch begins."""

    precision: Share | None = Field(None, description="precision to be shown of every output; none: no target")
    recall: Share | None = Field(None, description="recall to be shown of every output; none: no target")
    least_gain: float | None = Field(
        None,
        gt=0.0,
        le=1_000.0,
        description="mistakes per 1,000 arrivals that twice the labels are to avoid, at least; none: no such end",
    )


class SavingsSettings(Group):
    """What the choice of queries saves, measured live by models that learn from samples of the same answers."""

    enabled: bool = Field(False, description="measure it; takes about half as much time for learning again")


class HttpSettings(Group):
    """Health and metrics."""

    enabled: bool = Field(True, description="serve /healthz, /readyz and /metrics")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(9464, ge=0, le=65_535, description="port to listen on; 0: any free one")


class Settings(BaseSettings):
    """All of them: given values over ASKANCE_ variables over the TOML file over the defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
    )

    stream: str = Field("askance", min_length=1, max_length=128, description="name of the stream; part of every draw")
    data_dir: Path = Field(Path("askance-data"), description="ledger, checkpoints and the embedded log")
    outputs: tuple[Output, ...] = Field((), description="outputs by name")
    outputs_file: Path | None = Field(None, description="NAME.outputs.json, or one name a line")
    log: LogSettings = LogSettings()
    kafka: KafkaSettings = KafkaSettings()
    asking: AskingSettings = AskingSettings()
    learning: LearningSettings = LearningSettings()
    model: ModelSettings = ModelSettings()
    targets: TargetSettings = TargetSettings()
    savings: SavingsSettings = SavingsSettings()
    drift: DriftSettings = DriftSettings()
    http: HttpSettings = HttpSettings()

    @model_validator(mode="after")
    def _outputs_distinct(self) -> "Settings":
        if len(set(self.outputs)) != len(self.outputs):
            raise ValueError("outputs: a name stands there twice")
        return self

    @model_validator(mode="after")
    def _policy_suits_the_model(self) -> "Settings":
        if self.model.kind != "askance" and self.asking.policy == "iwal-cal":
            raise ValueError(
                "asking.policy iwal-cal looks at our own model's linear path: model.kind = askance is needed"
            )
        if self.model.kind != "askance" and self.asking.damping:
            raise ValueError("asking.damping looks at our own model's counts: model.kind = askance is needed")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _value(text: str) -> Any:
    """Read a value as TOML would, a bare word as itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in changes.items():
        *groups, last = name.split(".")
        into = nested
        for group in groups:
            into = into.setdefault(group, {})
            if not isinstance(into, dict):
                raise Misconfigured(f"{name}: {group} was given a value of its own")
        into[last] = _value(value) if isinstance(value, str) else value
    return nested


def read_settings(file: Path | None = None, changes: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings; `changes` are given values by dotted name, text read as TOML.

    Raises:
        Misconfigured: unreadable file, unknown key, or a value out of its range, each by name.

    """
    if file is not None and not file.is_file():
        raise Misconfigured(f"configuration file {file}: no such file")
    unknown = [n for n in os.environ if n.startswith(PREFIX) and n not in NOT_SETTINGS and not _is_setting(n)]
    if unknown:
        raise Misconfigured(f"{', '.join(sorted(unknown))}: no such setting; `askance config` lists them all")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile(**_nested(changes or {}))
    except ValidationError as error:
        raise Misconfigured(_by_name(error)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, SettingsError) as error:
        raise Misconfigured(f"configuration{f' file {file}' if file else ''}: {error}") from error


def _is_setting(variable: str) -> bool:
    return variable.removeprefix(PREFIX).lower().split("__")[0] in Settings.model_fields


def _by_name(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "configuration"
        if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
            lines.append(f"{name}: no such setting; `askance config` lists them all")
        else:
            lines.append(f"{name} = {problem['input']!r}: {problem['msg']}")
    return "\n".join(lines)


def as_plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain values, secrets hidden."""
    plain: dict[str, Any] = settings.model_dump(mode="json")
    if plain["asking"]["seed"]:
        plain["asking"]["seed"] = "***"
    security = plain["kafka"]["security"]
    plain["kafka"]["security"] = {k: "***" if "password" in k else v for k, v in security.items()}
    return plain

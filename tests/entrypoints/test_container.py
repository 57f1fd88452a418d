"""Every part can be built, in each arrangement, without anything that runs."""

import inspect
from pathlib import Path
from typing import get_args

import pytest
from dependency_injector.providers import Dependency, Provider
from pydantic import SecretStr

from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.memory.replays import RememberedAnswers
from adapters.redis.idempotency import RedisReplayCache
from application.ports.readiness import ReadinessProbe
from entrypoints.container import Container, shut_down
from entrypoints.settings import Settings
from tests.journeys.server import SECRET

pytestmark = pytest.mark.anyio

POSTGRESQL = "postgresql+asyncpg://harbor:pw@127.0.0.1:1/harbor"
REDIS = "redis://127.0.0.1:1/0"


def _embedded(directory: Path) -> Settings:
    return Settings.model_construct(data_dir=directory, secret_key=SecretStr(SECRET))


def _production(_directory: Path) -> Settings:
    return Settings.model_construct(
        database_url=POSTGRESQL, redis_url=REDIS, secret_key=SecretStr(SECRET)
    )


def _stripe(directory: Path) -> Settings:
    return _embedded(directory).model_copy(
        update={"gateway": "stripe", "stripe_api_key": SecretStr("sk_test_" + "a1B2" * 6)}
    )


def _remote(directory: Path) -> Settings:
    return _embedded(directory).model_copy(update={"gateway_url": "http://127.0.0.1:1"})


@pytest.fixture(
    params=[_embedded, _production, _stripe, _remote],
    ids=["embedded", "production", "stripe", "remote gateway"],
)
def container(request: pytest.FixtureRequest, tmp_path: Path) -> Container:
    found: Container = Container(settings=request.param(tmp_path))
    return found


def _names() -> list[str]:
    return [
        name
        for name, provider in Container.providers.items()
        if not isinstance(provider, Dependency)
    ]


@pytest.mark.parametrize("name", _names())
async def test_every_part_can_be_built(container: Container, name: str) -> None:
    settings = container.settings()
    if name == "redis" and settings.redis_url is None:
        return
    if name == "stripe_client" and settings.gateway != "stripe":
        return
    provider: Provider[object] = getattr(container, name)
    if name == "migrate":
        assert inspect.iscoroutinefunction(provider.provides)  # type: ignore[attr-defined]
        return
    part = provider()
    assert part is not None
    for promised in get_args(Container.__annotations__.get(name)):
        # isinstance would not do: a port is a protocol, which an adapter names as its parent.
        assert promised in type(part).__mro__
    await shut_down(container)


async def test_what_is_remembered_stands_first_and_redis_only_where_there_is_one(
    tmp_path: Path,
) -> None:
    embedded = Container(settings=_embedded(tmp_path))
    production = Container(settings=_production(tmp_path))
    for container, behind in ((embedded, SingleFlightIdempotency), (production, RedisReplayCache)):
        remembered = container.answers()
        assert isinstance(remembered, RememberedAnswers)
        assert isinstance(remembered._inner, behind)
        await shut_down(container)


async def test_a_part_is_built_once(container: Container) -> None:
    for name in ("database", "orders", "answers", "place_order", "authenticate"):
        provider = getattr(container, name)
        assert provider() is provider()
    await shut_down(container)


async def test_readiness_asks_the_database_and_the_doctor_everything(
    container: Container,
) -> None:
    ready = await container.check_readiness()()
    examined = await container.examine()()
    assert [finding.name for finding in ready] == ["database"]
    names = [finding.name for finding in examined]
    redis = ["redis"] if container.settings().redis_url else []
    assert names == ["database", "gateway", "durability", "clock", "operations", *redis]
    required = [finding.name for finding in examined if finding.required]
    assert required == ["database"]
    assert ReadinessProbe in type(container.database_probe()).__mro__
    await shut_down(container)


async def test_two_containers_share_nothing(tmp_path: Path) -> None:
    first = Container(settings=_embedded(tmp_path))
    second = Container(settings=_embedded(tmp_path))
    assert first.database() is not second.database()
    assert first.settings().secret == second.settings().secret
    await shut_down(first)
    await shut_down(second)

# What both stages stand on: any image with python3 (3.11 or newer) and its venv module.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
# The locks come first: as long as they stay the same, so do these layers.
COPY requirements/uv.txt requirements/serve.txt requirements/
RUN python3 -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes --requirement requirements/uv.txt \
    && python3 -m venv --without-pip /opt/harbor \
    && UV_PYTHON_DOWNLOADS=never /tools/bin/uv pip sync --no-cache --compile-bytecode \
        --python /opt/harbor/bin/python --require-hashes requirements/serve.txt
COPY pyproject.toml ./
COPY domain domain
COPY application application
COPY adapters adapters
COPY entrypoints entrypoints
RUN /tools/bin/hatchling build --target wheel --directory dist \
    && /tools/bin/uv pip install --no-cache --compile-bytecode --offline --no-deps \
        --python /opt/harbor/bin/python dist/*.whl

FROM ${BASE_IMAGE}
COPY --from=build /opt/harbor /opt/harbor
ENV PATH=/opt/harbor/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HARBOR_DATA_DIR=/var/lib/harbor
# By number, so that a cluster can see it is not root.
RUN install --directory --mode=0700 --owner=10001 --group=10001 /var/lib/harbor
VOLUME /var/lib/harbor
WORKDIR /var/lib/harbor
USER 10001:10001
EXPOSE 8000
# Not urllib, which would ask a configured proxy for 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "\
from http.client import HTTPConnection; \
connection = HTTPConnection('127.0.0.1', 8000, timeout=2); \
connection.request('GET', '/health'); \
raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["harbor"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

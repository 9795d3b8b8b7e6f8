# The image of the worker and of every other `flashover` command: docker run flashover:0.1.0 --help

# what a worker spends its time on is compiled (docs/adr/0014); neither the compiler nor mypy is in the image
FROM python:3.11.13-bookworm AS build
WORKDIR /src
COPY requirements-dev.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-dev.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY streams streams
COPY agents agents
RUN FLASHOVER_COMPILED=1 python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir /wheel .

FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /opt/flashover
# the dependencies first: they change seldom, and the lock pins every file by hash
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel \
    python -m pip install --no-cache-dir --disable-pip-version-check --no-deps /wheel/*.whl

# a worker writes its topics alone; a home of its own is where `run` and the other commands leave their logs
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/flashover flashover
USER flashover
WORKDIR /var/lib/flashover

ENTRYPOINT ["flashover"]
CMD ["worker"]

# The image of the worker and of every other `flashover` command: docker run flashover:0.1.0 --help
FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /opt/flashover
# the dependencies first: they change seldom, and the lock pins every file by hash
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY streams streams
COPY agents agents
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

# a worker writes its topics alone; a home of its own is where `run` and the other commands leave their logs
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/flashover flashover
USER flashover
WORKDIR /var/lib/flashover

ENTRYPOINT ["flashover"]
CMD ["worker"]

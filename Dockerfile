# One image for every part of the service. Targets: cpu (the default of docker-compose.yml) and cuda.
#   docker build --target cpu  -t rewardsmith:cpu .
#   docker build --target cuda -t rewardsmith:cuda .

FROM python:3.11-slim-bookworm AS base
ENV PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# pg_dump, for `rewardsmith db backup`.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client tini \
    && rm -rf /var/lib/apt/lists/*
# Whoever runs `make up`: containers run as that user, the one who can read the secrets.
ARG UID=10001
ARG GID=10001
RUN groupadd --non-unique --gid "$GID" rewardsmith \
    && useradd --non-unique --uid "$UID" --gid "$GID" --create-home rewardsmith

# Dependencies first, from the metadata alone: editing the code must not download torch again.
FROM base AS build-cpu
RUN python -m venv /opt/venv
RUN /opt/venv/bin/pip install --index-url https://download.pytorch.org/whl/cpu "torch==2.13.0"
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY rewardsmith rewardsmith
COPY workers workers
COPY sandbox sandbox
COPY migrations migrations
RUN /opt/venv/bin/pip install ".[train,service]"

FROM base AS build-cuda
RUN python -m venv /opt/venv
RUN /opt/venv/bin/pip install "torch==2.13.0"
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY rewardsmith rewardsmith
COPY workers workers
COPY sandbox sandbox
COPY migrations migrations
RUN /opt/venv/bin/pip install ".[train,service]"

FROM base AS run
# The root is read-only in service: numba compiles into, and artifacts go to, mounted places.
ENV PATH=/opt/venv/bin:$PATH \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    HOME=/tmp \
    REWARDSMITH_HOME=/data
ARG UID=10001
ARG GID=10001
RUN mkdir --mode 700 /data && chown "$UID:$GID" /data
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["tini", "--"]
CMD ["rewardsmith", "--help"]

FROM run AS cuda
COPY --from=build-cuda /opt/venv /opt/venv

FROM run AS cpu
COPY --from=build-cpu /opt/venv /opt/venv

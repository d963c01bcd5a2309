# vcbench in a container. CPU:   docker build -t vcbench .
#                        CUDA:   docker build -t vcbench --build-arg BASE=nvidia/cuda:13.0.1-runtime-ubuntu24.04 .
# Run:  docker run --rm -v "$PWD/runs:/work/runs" -v vcbench-cache:/cache vcbench run --systems all
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}

# The base decides the versions of its packages; its archive keeps no older ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential git python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN "$(command -v python3)" -m venv /opt/vcbench \
    && /opt/vcbench/bin/pip install --no-cache-dir "/src[offline,listen]" \
    && rm -rf /src

ENV PATH=/opt/vcbench/bin:$PATH VCBENCH_CACHE=/cache
WORKDIR /work
VOLUME /cache
ENTRYPOINT ["vcbench"]
CMD ["--help"]

# One image for a GPU workstation and for a server without one; see docs/deployment.md.
FROM python:3.11-slim-bookworm AS libraries

# Where torch comes from. Empty: PyPI, whose Linux wheels bring their CUDA libraries with them, so that
# `docker run --gpus all` is all a workstation needs. For a server without a GPU give the index of CPU builds
# that the install page of PyTorch names.
ARG TORCH_INDEX=""

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv /opt/cvs-med
ENV PATH=/opt/cvs-med/bin:$PATH

# torch is the largest part by far and changes least, then the other libraries, then our own code.
COPY constraints.txt ./
RUN pip install --constraint constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
COPY pyproject.toml ./
RUN python3 -c "import tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; \
print(*project['dependencies'], *(need for name in extras if name not in ('dev', 'browser', 'bench', 'openvino') for need in extras[name]), sep='\n')" \
    > requirements.txt \
    && pip install --constraint constraints.txt --requirement requirements.txt


# Our own code, below /own as it is to lie beside the libraries.
FROM libraries AS own
COPY README.md LICENSE ./
COPY protocols protocols
COPY cvs_med cvs_med
COPY apps apps
RUN pip install --no-deps --root /own .


FROM python:3.11-slim-bookworm

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="cvs-med" \
      org.opencontainers.image.description="Classify medical images from a handful of examples by segmenting them. For research, not a medical device." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0"

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 cvs-med \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin cvs-med \
    && install --directory --owner 10001 --group 10001 /data /runs /models
# Two layers: a new version of our own code brings a few megabytes along, not gigabytes of libraries.
COPY --from=libraries /opt/cvs-med /opt/cvs-med
COPY --from=own /own /

# The root may be mounted read-only: all that is written lies in the volumes and in /tmp.
ENV PATH=/opt/cvs-med/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    XDG_DATA_HOME=/data \
    CVS_MED_DATA=/data \
    CVS_MED_CACHE=/models/cache \
    MPLCONFIGDIR=/tmp/matplotlib
VOLUME ["/data", "/runs", "/models"]
WORKDIR /
USER 10001:10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["tini", "--", "cvs-med"]
# The run to review is named by CVS_MED_RUN.
CMD ["app", "--address", "0.0.0.0"]

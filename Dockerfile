# Stage one makes the wheel and the environment it runs in; stage two has that environment, a user and nothing else.
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /venv
# Where a smaller torch without CUDA is wanted, name an index that has one.
ARG PIP_EXTRA_INDEX_URL=""
# The requirements first: they change seldom and are large.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" > requirements.txt \
 && /venv/bin/pip install --no-cache-dir --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY service service
COPY models models
COPY consumers consumers
COPY producers producers
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && /venv/bin/pip install --no-cache-dir --no-deps /wheels/*.whl \
 && /venv/bin/python -m compileall -q /venv/lib
# The four import names are ours alone, here too.
WORKDIR /
RUN /venv/bin/python -c "from importlib.metadata import packages_distributions as p; assert all(p()[n] == ['askance'] for n in ('service', 'models', 'consumers', 'producers')), p()"

FROM python:3.11-slim
RUN groupadd --gid 1000 askance \
 && useradd --uid 1000 --gid 1000 --home-dir /data --no-create-home --shell /usr/sbin/nologin askance \
 && install --directory --owner=1000 --group=1000 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ASKANCE_DATA_DIR=/data \
    ASKANCE_HTTP__HOST=0.0.0.0
WORKDIR /data
VOLUME /data
EXPOSE 9464
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["askance"]
CMD ["run"]

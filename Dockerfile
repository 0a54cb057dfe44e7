# The reconciler: `reconcile.py` with the embedded engine, for a CronJob or a Deployment in the cluster.
# No secret is in it: seed and account are read from Secrets that the settings name.
FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1 AS libraries
COPY requirements-image.txt .
RUN pip install --no-cache-dir --no-deps --only-binary=:all: --require-hashes --target /libraries --requirement requirements-image.txt

FROM python:3.11.13-slim-bookworm@sha256:86adf8dbadc3d6e82ee5dd2c74bec2e1c2467cdad47886280501df722372d2e1
COPY --from=libraries /libraries /libraries
COPY ics /app/ics
COPY Pulumi.yaml reconcile.py /app/
ENV PYTHONPATH=/libraries:/app PYTHONUNBUFFERED=1
RUN python -m compileall -q -j 0 /libraries /app
USER 1000:1000
WORKDIR /app
ENTRYPOINT ["python", "/app/reconcile.py"]

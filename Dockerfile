# The reconciler: `reconcile.py` with the embedded engine, for a CronJob or a Deployment in the cluster.
# No secret is in it: seed and account are read from Secrets that the settings name.
FROM python:3.11.13-slim-bookworm AS libraries
COPY requirements-image.txt .
RUN pip install --no-cache-dir --no-deps --require-hashes --target /libraries --requirement requirements-image.txt

FROM python:3.11.13-slim-bookworm
COPY --from=libraries /libraries /libraries
COPY ics /app/ics
COPY Pulumi.yaml reconcile.py /app/
ENV PYTHONPATH=/libraries PYTHONUNBUFFERED=1
RUN python -m compileall -q -j 0 /libraries /app
USER 1000:1000
WORKDIR /app
ENTRYPOINT ["python", "/app/reconcile.py"]

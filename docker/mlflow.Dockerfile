FROM python:3.12.11-slim-bookworm
COPY scripts/mlflow/requirements.txt /requirements/mlflow.txt
COPY scripts/stack/postgres-driver.txt /requirements/postgres-driver.txt
RUN pip install --no-cache-dir --disable-pip-version-check -r /requirements/mlflow.txt -r /requirements/postgres-driver.txt
# a new volume takes its owner from here; user 1000 writes to it in both images
RUN useradd --uid 1000 --create-home mlflow && install -d -o 1000 -g 1000 /shared/artifacts
USER 1000:1000
WORKDIR /home/mlflow

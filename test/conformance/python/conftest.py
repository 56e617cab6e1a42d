"""Notes which operations boto3 called with success, for the test that starts this one."""

import os

import boto3

called = set()


def note(http_response, model, **_):
    if http_response.status_code < 300:
        called.add(f"{model.service_model.service_name} {model.name}")


boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("after-call", note)


def pytest_sessionfinish():
    if path := os.environ.get("WAYSTATION_CALLED"):
        with open(path, "a") as f:
            f.writelines(line + "\n" for line in sorted(called))

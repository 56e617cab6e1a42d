"""What the tests of topics, buses and schedules share."""

import http.server
import itertools
import json
import os
import threading
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["WAYSTATION_ENDPOINT"]
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/schedules"
numbers = itertools.count()


def connect(service, region="us-east-1"):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}, read_timeout=30),
    )


def name(suffix=""):
    return f"py-{os.getpid()}-{next(numbers)}{suffix}"


def new_queue(sqs, **attributes):
    suffix = ".fifo" if attributes.get("FifoQueue") else ""
    url = sqs.create_queue(QueueName=name(suffix), Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def take(sqs, url):
    """The next message of a queue, waiting for it."""
    got = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    ).get("Messages", [])
    assert len(got) == 1, got
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
    return got[0]


def empty(sqs, url):
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert response["Error"]["Code"] == code, response
    assert response["Error"]["Message"]
    assert 400 <= response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return caught.value


def eventually(check, what, seconds=60):
    until = time.monotonic() + seconds
    while not (got := check()):
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.05)
    return got


def everything(client, operation, key, **arguments):
    """All entries of a list, by the SDK's paginator, and the sizes of its pages."""
    pages = [page[key] for page in client.get_paginator(operation).paginate(**arguments)]
    return [x for page in pages for x in page], [len(page) for page in pages]


class Receiver:
    """An HTTP endpoint that keeps what it gets: a list of (headers, body)."""

    def __init__(self):
        self.got = got = []
        self.status = status = [200]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                got.append((self.headers, self.rfile.read(int(self.headers["Content-Length"])).decode()))
                self.send_response(status[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, what, check):
        return eventually(lambda: next((x for x in list(self.got) if check(*x)), None), what)


def pattern(**fields):
    return json.dumps(fields)

"""What a Python program does with SQS, against the server at WAYSTATION_ENDPOINT.

The same tests run with a boto3 that speaks JSON and with one that speaks Query;
WAYSTATION_PROTOCOL says which of the two this one has to be.
"""

import hashlib
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
PROTOCOL = os.environ["WAYSTATION_PROTOCOL"]
ACCOUNT = "000000000000"
numbers = itertools.count()


def connect(service="sqs", key="test", region="us-east-1"):
    return boto3.client(
        service,
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}, read_timeout=30),
    )


@pytest.fixture(scope="session")
def sqs():
    return connect()


def name(suffix=""):
    return f"py-{PROTOCOL}-{os.getpid()}-{next(numbers)}{suffix}"


@pytest.fixture
def queue(sqs):
    return sqs.create_queue(QueueName=name())["QueueUrl"]


@pytest.fixture
def fifo(sqs):
    return sqs.create_queue(
        QueueName=name(".fifo"),
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
    )["QueueUrl"]


def arn(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def counts(sqs, url):
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(got[n]) for n in names]


def receive(sqs, url, **more):
    more.setdefault("MaxNumberOfMessages", 10)
    return sqs.receive_message(
        QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"], **more
    ).get("Messages", [])


def refused(code, call, **arguments):
    codes = code if isinstance(code, tuple) else (code,)
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert response["Error"]["Code"] in codes, response
    assert response["Error"]["Message"]
    assert 400 <= response["ResponseMetadata"]["HTTPStatusCode"] < 500
    return caught.value


def eventually(check, seconds=20):
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.1)


def test_protocol(queue):
    """This boto3 speaks what the test run says it does."""
    seen = []
    client = connect()
    client.meta.events.register("before-send.sqs.*", lambda request, **_: seen.append(dict(request.headers)))
    client.send_message(QueueUrl=queue, MessageBody="x")
    target = {k.lower(): v for k, v in seen[0].items()}.get("x-amz-target")
    assert bool(target) == (PROTOCOL == "json")


def test_queue_lifecycle(sqs):
    n = name()
    url = sqs.create_queue(QueueName=n, Attributes={"DelaySeconds": "0"}, tags={"team": "orders", "b": "größe"})["QueueUrl"]
    assert url == f"{ENDPOINT}/{ACCOUNT}/{n}"
    assert sqs.create_queue(QueueName=n)["QueueUrl"] == url
    assert sqs.get_queue_url(QueueName=n)["QueueUrl"] == url
    assert url in sqs.list_queues(QueueNamePrefix=n)["QueueUrls"]
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="py-absent")
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "orders", "b": "größe"}
    sqs.tag_queue(QueueUrl=url, Tags={"c": "3"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["team", "b"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"c": "3"}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7", "DelaySeconds": "1"})
    got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (got["VisibilityTimeout"], got["DelaySeconds"], got["MaximumMessageSize"]) == ("7", "1", "1048576")
    refused("QueueAlreadyExists", sqs.create_queue, QueueName=n, Attributes={"VisibilityTimeout": "8"})
    sqs.delete_queue(QueueUrl=url)
    error = refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName=n)
    assert isinstance(error, sqs.exceptions.QueueDoesNotExist)


def test_list_queues_pages(sqs):
    client = connect(region="ap-south-1" if PROTOCOL == "json" else "ap-south-2")
    want = {client.create_queue(QueueName=f"page-{i}")["QueueUrl"] for i in range(7)}
    pages = list(client.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["QueueUrls"]) for p in pages] == [3, 3, 1]
    assert {u for p in pages for u in p["QueueUrls"]} == want


@pytest.mark.parametrize(
    "body",
    ["x", " ", "\t\n\r", "a\r\nb\rc\n", "<a>&amp;\"'</a>]]>", "größe Ωμέγα 日本語", "😀\U0010ffff", "a+b=c&d%20e%", "\u2028\ud7ff\ue000\ufffd\x7f\x85"],
)
def test_bodies(sqs, queue, body):
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    (message,) = receive(sqs, queue)
    assert message["Body"] == body
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["MessageId"] == sent["MessageId"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert counts(sqs, queue) == [0, 0, 0]


def test_largest_message(sqs, queue):
    body = "z" * (1 << 20)
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert receive(sqs, queue)[0]["Body"] == body
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=queue, MessageBody=body + "z")


def test_attributes(sqs, queue):
    given = {
        "s": {"DataType": "String", "StringValue": "größe\r\n<&>"},
        "n": {"DataType": "Number.int", "StringValue": "42"},
        "b": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="m", MessageAttributes=given, MessageSystemAttributes=trace)
    assert sent["MD5OfMessageAttributes"] and sent["MD5OfMessageSystemAttributes"]
    (message,) = receive(sqs, queue, VisibilityTimeout=0)
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["s", "absent"])["Messages"]
    assert list(message["MessageAttributes"]) == ["s"]
    assert "Attributes" not in message


def test_bare_queue_name(sqs, queue):
    bare = queue.rsplit("/", 1)[1]
    sqs.send_message(QueueUrl=bare, MessageBody="m")
    assert receive(sqs, queue)[0]["Body"] == "m"
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    refused(missing, sqs.send_message, QueueUrl="no-such-queue", MessageBody="m")
    refused(missing, sqs.send_message, QueueUrl=queue.rsplit("/", 2)[0] + "/no/queue/at/all", MessageBody="m")


def test_trace_of_the_request(sqs, queue):
    def trace(request, **_):
        request.headers["X-Amzn-Trace-Id"] = "Root=1-2-3"

    given = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=of-its-own"}}
    for operation in "SendMessage", "SendMessageBatch":
        sqs.meta.events.register(f"before-sign.sqs.{operation}", trace)
    try:
        sent = sqs.send_message(QueueUrl=queue, MessageBody="a")
        sqs.send_message_batch(
            QueueUrl=queue,
            Entries=[{"Id": "b", "MessageBody": "b"}, {"Id": "c", "MessageBody": "c", "MessageSystemAttributes": given}],
        )
    finally:
        for operation in "SendMessage", "SendMessageBatch":
            sqs.meta.events.unregister(f"before-sign.sqs.{operation}", trace)
    assert "MD5OfMessageSystemAttributes" not in sent
    assert {m["Body"]: m["Attributes"]["AWSTraceHeader"] for m in receive(sqs, queue)} == {
        "a": "Root=1-2-3",
        "b": "Root=1-2-3",
        "c": "Root=of-its-own",
    }


def test_names_beyond_ascii(sqs, queue):
    given = {"größe.数量": {"DataType": "Number", "StringValue": "1"}}
    sent = sqs.send_message(QueueUrl=queue, MessageBody="m", MessageAttributes=given)
    (message,) = receive(sqs, queue)
    assert message["MessageAttributes"] == given
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


def test_policy_with_strings_that_are_no_arns(sqs, queue):
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "sqs:SendMessage",
                    "Resource": "$queue",
                    "Condition": {"ArnEquals": {"aws:SourceArn": "$topic"}},
                }
            ],
        }
    )
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"] == policy


def test_late_heartbeat(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    (first,) = receive(sqs, queue, VisibilityTimeout=0)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=600)
    assert counts(sqs, queue) == [1, 0, 0]
    (second,) = receive(sqs, queue)
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(sqs, queue) == [0, 1, 0]
    handle = second["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    (failed,) = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 5}]
    )["Failed"]
    assert failed["Code"] == "ReceiptHandleIsInvalid"
    assert failed["Message"] == "Message does not exist or is not available for visibility timeout change"


def test_entry_over_the_queues_size(sqs, queue):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    out = sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": "x" * 1025}]
    )
    assert [e["Id"] for e in out["Successful"]] == ["a"]
    assert out["Failed"][0]["Message"] == (
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    )


def test_batches(sqs, queue):
    entries = [{"Id": str(i), "MessageBody": f"m{i}", "DelaySeconds": 0} for i in range(10)]
    entries[3]["DelaySeconds"] = 901
    out = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert len(out["Successful"]) == 9
    (failed,) = out["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("3", "InvalidParameterValue", True)
    got = receive(sqs, queue)
    assert len(got) == 9
    handles = [{"Id": f"d{i}", "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
    out = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=[dict(h, VisibilityTimeout=600) for h in handles])
    assert len(out["Successful"]) == 9
    handles.append({"Id": "bad", "ReceiptHandle": "nonsense"})
    out = sqs.delete_message_batch(QueueUrl=queue, Entries=handles)
    assert len(out["Successful"]) == 9
    assert out["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert counts(sqs, queue) == [0, 0, 0]
    prefix = "AWS.SimpleQueueService."
    send = sqs.send_message_batch
    refused(prefix + "EmptyBatchRequest", send, QueueUrl=queue, Entries=[])
    refused(prefix + "TooManyEntriesInBatchRequest", send, QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(11)])
    refused(prefix + "BatchEntryIdsNotDistinct", send, QueueUrl=queue, Entries=[{"Id": "a", "MessageBody": "x"}] * 2)
    refused(prefix + "InvalidBatchEntryId", send, QueueUrl=queue, Entries=[{"Id": "a b", "MessageBody": "x"}])
    refused(prefix + "BatchRequestTooLong", send, QueueUrl=queue, Entries=[{"Id": i, "MessageBody": "x" * 600_000} for i in "ab"])


def test_visibility(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    (first,) = receive(sqs, queue, VisibilityTimeout=600)
    assert receive(sqs, queue) == []
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    (second,) = receive(sqs, queue, VisibilityTimeout=1)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    (third,) = receive(sqs, queue, WaitTimeSeconds=10)
    assert third["Attributes"]["ApproximateReceiveCount"] == "3"
    refused("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=queue, ReceiptHandle="nonsense")


def test_long_poll(sqs, queue):
    got = []
    waiting = threading.Thread(target=lambda: got.extend(receive(connect(), queue, WaitTimeSeconds=20)))
    waiting.start()
    start = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="wake up", DelaySeconds=1)
    waiting.join(15)
    assert [m["Body"] for m in got] == ["wake up"]
    assert 0.9 < time.monotonic() - start < 5


def test_fifo(sqs, fifo):
    numbers = [sqs.send_message(QueueUrl=fifo, MessageBody=b, MessageGroupId=b[0])["SequenceNumber"] for b in ("a1", "a2", "b1")]
    assert numbers == sorted(numbers)
    again = sqs.send_message(QueueUrl=fifo, MessageBody="a1", MessageGroupId="a")
    assert again["SequenceNumber"] == numbers[0]
    (first,) = receive(sqs, fifo, MaxNumberOfMessages=1, ReceiveRequestAttemptId="try")
    (same,) = receive(sqs, fifo, MaxNumberOfMessages=1, ReceiveRequestAttemptId="try")
    assert same["MessageId"] == first["MessageId"]
    assert first["Attributes"]["MessageGroupId"] == "a"
    assert [m["Body"] for m in receive(sqs, fifo)] == ["b1"]
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=same["ReceiptHandle"])
    assert [m["Body"] for m in receive(sqs, fifo)] == ["a2"]
    refused(("MissingParameter", "InvalidParameterValue"), sqs.send_message, QueueUrl=fifo, MessageBody="x")


def test_dead_letters_and_moves(sqs, queue):
    policy = json.dumps({"deadLetterTargetArn": arn(sqs, queue), "maxReceiveCount": 1})
    source = sqs.create_queue(QueueName=name(), Attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=queue)["queueUrls"] == [source]
    sqs.send_message(QueueUrl=source, MessageBody="poison")
    receive(sqs, source, VisibilityTimeout=0)
    assert receive(sqs, source) == []
    (dead,) = receive(sqs, queue, WaitTimeSeconds=5, VisibilityTimeout=0)
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == arn(sqs, source)
    if not hasattr(sqs, "start_message_move_task"):
        pytest.fail("this boto3 has no move tasks")
    handle = sqs.start_message_move_task(SourceArn=arn(sqs, queue))["TaskHandle"]
    assert handle
    eventually(lambda: sqs.list_message_move_tasks(SourceArn=arn(sqs, queue))["Results"][0]["Status"] == "COMPLETED")
    assert counts(sqs, source) == [1, 0, 0]
    refused(("InvalidParameterValue", "ResourceNotFoundException"), sqs.cancel_message_move_task, TaskHandle="nonsense")
    refused("ResourceNotFoundException", sqs.start_message_move_task, SourceArn=arn(sqs, queue) + "-absent")


def test_permissions(sqs, queue):
    sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=["111122223333"], Actions=["SendMessage", "ReceiveMessage"])
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert policy["Statement"][0]["Sid"] == "l"
    connect(key="111122223333").send_message(QueueUrl=queue, MessageBody="from another account")
    sqs.remove_permission(QueueUrl=queue, Label="l")
    refused("InvalidParameterValue", sqs.remove_permission, QueueUrl=queue, Label="l")


def test_purge(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    sqs.purge_queue(QueueUrl=queue)
    assert counts(sqs, queue) == [0, 0, 0]
    error = refused("AWS.SimpleQueueService.PurgeQueueInProgress", sqs.purge_queue, QueueUrl=queue)
    assert isinstance(error, sqs.exceptions.PurgeQueueInProgress)


def test_errors(sqs, queue):
    refused("InvalidParameterValue", sqs.create_queue, QueueName="a/b")
    refused("InvalidAttributeName", sqs.get_queue_attributes, QueueUrl=queue, AttributeNames=["Nonsense"])
    refused(("InvalidAttributeValue", "InvalidParameterValue"), sqs.set_queue_attributes, QueueUrl=queue, Attributes={"DelaySeconds": "901"})
    refused("InvalidMessageContents", sqs.send_message, QueueUrl=queue, MessageBody="\x01")
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, MaxNumberOfMessages=11)
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=21)
    eleven = {f"a{i}": {"DataType": "String", "StringValue": "v"} for i in range(11)}
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=queue, MessageBody="m", MessageAttributes=eleven)


def test_resource_interface():
    resource = boto3.resource("sqs", endpoint_url=ENDPOINT, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="secret")
    q = resource.create_queue(QueueName=name())
    q.send_message(MessageBody="m", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    (message,) = q.receive_messages(WaitTimeSeconds=5, MessageAttributeNames=["All"])
    assert (message.body, message.message_attributes["k"]["StringValue"]) == ("m", "v")
    message.delete()
    q.reload()
    assert q.attributes["ApproximateNumberOfMessages"] == "0"


def test_caller_identity():
    assert connect("sts").get_caller_identity()["Account"] == ACCOUNT
    assert connect("sts", key="123412341234").get_caller_identity()["Account"] == "123412341234"


def test_cancelled_move(sqs, queue):
    source = arn(sqs, queue)
    sqs.create_queue(QueueName=name(), Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": source, "maxReceiveCount": 1})})
    for _ in range(3):
        entries = [{"Id": str(i), "MessageBody": "m"} for i in range(10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    other = sqs.create_queue(QueueName=name())["QueueUrl"]
    task = sqs.start_message_move_task(SourceArn=source, DestinationArn=arn(sqs, other), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    assert sqs.cancel_message_move_task(TaskHandle=task)["ApproximateNumberOfMessagesMoved"] < 30
    eventually(lambda: sqs.list_message_move_tasks(SourceArn=source)["Results"][0]["Status"] == "CANCELLED")

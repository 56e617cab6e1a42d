"""boto3 speaks every protocol of the test's services; the address is the first argument."""
import datetime
import sys

import boto3
from botocore.config import Config

AT = datetime.datetime.fromtimestamp(1772366400.25, datetime.timezone.utc)


def client(name):
    return boto3.client(
        name, endpoint_url=sys.argv[1], region_name="eu-west-1", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))


def refused(call, code, message, **members):
    try:
        call()
    except Exception as e:
        error = e.response["Error"]
        assert error["Code"] == code and message in error["Message"], e.response
        for k, v in members.items():
            assert e.response.get(k) == v, e.response
        return
    raise AssertionError("not refused: " + code)


# JSON 1.1 and event streams over HTTP/1.1
kinesis = client("kinesis")
out = kinesis.get_records(ShardIterator="i", Limit=2)
assert out["Records"][0]["Data"] == "a\0ä".encode(), out
assert out["Records"][0]["ApproximateArrivalTimestamp"] == AT, out
assert kinesis.get_shard_iterator(StreamName="s", ShardId="1", ShardIteratorType="AT_TIMESTAMP", Timestamp=AT)[
    "ShardIterator"] == "2026-03-01T12:00:00.25Z"
refused(lambda: kinesis.put_record(StreamName="none", Data=b"x", PartitionKey="k"), "ResourceNotFoundException", "no stream none")
stream = kinesis.subscribe_to_shard(
    ConsumerARN="arn:aws:kinesis:eu-west-1:000000000000:stream/s/consumer/c:1", ShardId="0",
    StartingPosition={"Type": "AT_TIMESTAMP", "Timestamp": AT})["EventStream"]
events = [e["SubscribeToShardEvent"] for e in stream]
assert [e["MillisBehindLatest"] for e in events] == [0, 1, 2], events
assert events[2]["Records"][0]["ApproximateArrivalTimestamp"] == AT, events

# REST-JSON
functions = client("lambda")
out = functions.invoke(FunctionName="f", Qualifier="1", ClientContext="e30=", Payload=b'{"a":1}')
assert (out["StatusCode"], out["FunctionError"], out["ExecutedVersion"]) == (200, "Unhandled", "1"), out
assert out["Payload"].read() == b'e30={"a":1}'
assert functions.invoke(FunctionName="f", InvocationType="Event")["StatusCode"] == 202
refused(lambda: functions.invoke(FunctionName="none"), "ResourceNotFoundException", "Function not found: none", Type="User")
names = [f["FunctionName"] for page in functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
         for f in page["Functions"]]
assert names == ["a", "a/ä+"], names
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
assert functions.tag_resource(Resource=ARN, Tags={"k": "v"})["ResponseMetadata"]["HTTPStatusCode"] == 204
functions.untag_resource(Resource=ARN, TagKeys=["a", "b"])
functions.delete_function(FunctionName="f")
stream = functions.invoke_with_response_stream(FunctionName="f", Payload=b"one,two")["EventStream"]
events = list(stream)
assert [e["PayloadChunk"]["Payload"] for e in events[:2]] == [b"one", b"two"], events
assert events[2]["InvokeComplete"]["ErrorCode"] == "Late", events

# Query
sns = client("sns")
out = sns.publish(TopicArn="arn:t", Message="m&ä+ %", MessageAttributes={"s": {"DataType": "String", "StringValue": "=x"}})
assert out["MessageId"] == "m&ä+ %=x", out
out = sns.publish_batch(TopicArn="arn:t", PublishBatchRequestEntries=[{"Id": "1", "Message": "a"}, {"Id": "2", "Message": ""}])
assert out["Successful"] == [{"Id": "1", "MessageId": "a"}] and out["Failed"][0]["Code"] == "InvalidParameter", out
assert sns.get_topic_attributes(TopicArn="arn:t")["Attributes"]["Policy"] == '{"<&>": "ä"}\r\n'
refused(lambda: sns.publish(TopicArn="arn:none", Message="m"), "NotFound", "Topic does not exist")

# RPC v2 CBOR, with compressed bodies
cloudwatch = client("cloudwatch")
out = cloudwatch.get_metric_statistics(Namespace="N", MetricName="M", StartTime=AT, EndTime=AT, Period=60, Statistics=["Average"])
assert out["Label"] == "M" and out["Datapoints"][0]["Average"] == 7.5 and out["Datapoints"][0]["Timestamp"] == AT, out
refused(lambda: cloudwatch.get_metric_statistics(Namespace="N", MetricName="M", StartTime=AT, EndTime=AT, Period=1, Statistics=["Sum"]),
        "InvalidParameterCombination", "Too many.")
cloudwatch.put_metric_data(Namespace="N", MetricData=[
    {"MetricName": "metric of some length", "Timestamp": AT, "Value": i / 3, "Dimensions": [{"Name": "n", "Value": "v"}]}
    for i in range(500)])

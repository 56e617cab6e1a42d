"""What a Python program does with EventBridge Scheduler."""

import datetime
import json

import pytest
from common import ROLE, connect, empty, eventually, everything, name, new_queue, refused, take

OFF = {"Mode": "OFF"}


@pytest.fixture(scope="module")
def scheduler():
    return connect("scheduler")


@pytest.fixture(scope="module")
def sqs():
    return connect("sqs")


def now(**delta):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)).replace(microsecond=0)


def at(moment):
    return moment.strftime("at(%Y-%m-%dT%H:%M:%S)")


def test_groups(scheduler):
    n = name()
    arn = scheduler.create_schedule_group(Name=n, Tags=[{"Key": "team", "Value": "a b"}])["ScheduleGroupArn"]
    refused("ConflictException", scheduler.create_schedule_group, Name=n)
    got = scheduler.get_schedule_group(Name=n)
    assert (got["Arn"], got["Name"], got["State"]) == (arn, n, "ACTIVE")
    assert abs((now() - got["CreationDate"]).total_seconds()) < 60
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    for i in range(4):
        scheduler.create_schedule_group(Name=f"{n}-{i}")
    got, sizes = everything(scheduler, "list_schedule_groups", "ScheduleGroups", NamePrefix=n, PaginationConfig={"PageSize": 2})
    assert sorted(g["Name"] for g in got) == [n, *(f"{n}-{i}" for i in range(4))]
    assert max(sizes) == 2 and len(sizes) >= 3
    scheduler.delete_schedule_group(Name=n)
    try:
        assert scheduler.get_schedule_group(Name=n)["State"] == "DELETING"
    except scheduler.exceptions.ResourceNotFoundException:
        pass  # it is gone already
    refused("ResourceNotFoundException", scheduler.get_schedule_group, Name="absent")
    refused("ValidationException", scheduler.create_schedule_group, Name="not a name")
    refused("ValidationException", scheduler.delete_schedule_group, Name="default")


def test_schedules(scheduler, sqs):
    _, queue = new_queue(sqs)
    group = name()
    scheduler.create_schedule_group(Name=group)
    start, end = now(hours=1), now(days=2)
    made = {
        "Name": "nightly",
        "GroupName": group,
        "Description": "größe",
        "ScheduleExpression": "cron(0 3 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Paris",
        "StartDate": start,
        "EndDate": end,
        "State": "DISABLED",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "Target": {
            "Arn": queue,
            "RoleArn": ROLE,
            "Input": '{"a":"<aws.scheduler.schedule-arn>"}',
            "RetryPolicy": {"MaximumEventAgeInSeconds": 600, "MaximumRetryAttempts": 3},
        },
    }
    arn = scheduler.create_schedule(**made)["ScheduleArn"]
    got = scheduler.get_schedule(Name="nightly", GroupName=group)
    assert got["Arn"] == arn
    assert {k: got[k] for k in made} == made
    changed = {**made, "State": "ENABLED", "ScheduleExpression": "rate(2 hours)"}
    del changed["Description"]
    assert scheduler.update_schedule(**changed)["ScheduleArn"] == arn
    got = scheduler.get_schedule(Name="nightly", GroupName=group)
    assert "Description" not in got and {k: got[k] for k in changed} == changed
    plain = {"FlexibleTimeWindow": OFF, "Target": {"Arn": queue, "RoleArn": ROLE}, "GroupName": group}
    for i in range(6):
        scheduler.create_schedule(Name=f"s{i}", ScheduleExpression=at(now(days=1)), **plain)
    got, sizes = everything(scheduler, "list_schedules", "Schedules", GroupName=group, NamePrefix="s", PaginationConfig={"PageSize": 4})
    assert sorted(s["Name"] for s in got) == [f"s{i}" for i in range(6)] and max(sizes) <= 4
    assert all(s["Target"] == {"Arn": queue} and s["State"] == "ENABLED" for s in got)
    refused("ConflictException", scheduler.create_schedule, Name="s0", ScheduleExpression="rate(1 minute)", **plain)
    token = {"Name": "once", "ScheduleExpression": "rate(1 hour)", "ClientToken": "c" * 64, **plain}
    assert scheduler.create_schedule(**token)["ScheduleArn"] == scheduler.create_schedule(**token)["ScheduleArn"]
    for expression in ("rate(0 minutes)", "cron(* * * * * *)", "at(tomorrow)", "every day"):
        refused("ValidationException", scheduler.create_schedule, Name="bad", ScheduleExpression=expression, **plain)
    other = {"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f", "RoleArn": ROLE}
    refused("ValidationException", scheduler.create_schedule, Name="bad", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=OFF, Target=other)
    scheduler.delete_schedule(Name="nightly", GroupName=group)
    refused("ResourceNotFoundException", scheduler.get_schedule, Name="nightly", GroupName=group)
    refused("ResourceNotFoundException", scheduler.delete_schedule, Name="nightly", GroupName=group)
    refused("ResourceNotFoundException", scheduler.update_schedule, **changed)


def test_fires(scheduler, sqs):
    url, queue = new_queue(sqs)
    fifo, fifo_arn = new_queue(sqs, FifoQueue="true")
    sns, events = connect("sns"), connect("events")
    topic = sns.create_topic(Name=name())["TopicArn"]
    heard, heard_arn = new_queue(sqs)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard_arn, Attributes={"RawMessageDelivery": "true"})
    bus = name()
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    events.put_rule(Name="r", EventBusName=bus, EventPattern='{"source":["timer"]}')
    routed, routed_arn = new_queue(sqs)
    events.put_targets(Rule="r", EventBusName=bus, Targets=[{"Id": "q", "Arn": routed_arn}])
    n = name()
    targets = {
        "queue": {"Arn": queue, "Input": "<aws.scheduler.execution-id> <aws.scheduler.scheduled-time>"},
        "fifo": {"Arn": fifo_arn, "Input": "in order", "SqsParameters": {"MessageGroupId": "g"}},
        "topic": {"Arn": topic, "Input": "published"},
        "bus": {"Arn": bus_arn, "Input": '{"n":1}', "EventBridgeParameters": {"Source": "timer", "DetailType": "t"}},
        "universal": {
            "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
            "Input": json.dumps({"QueueUrl": fifo, "MessageBody": "by call", "MessageGroupId": "h", "MessageDeduplicationId": "x"}),
        },
    }
    for kind, target in targets.items():
        scheduler.create_schedule(
            Name=f"{n}-{kind}", ScheduleExpression=at(now(seconds=-1)), FlexibleTimeWindow=OFF,
            ActionAfterCompletion="DELETE", Target={"RoleArn": ROLE, **target},
        )
    execution, scheduled = take(sqs, url)["Body"].split()
    assert execution and datetime.datetime.fromisoformat(scheduled.replace("Z", "+00:00")) <= now()
    assert sorted(take(sqs, fifo)["Body"] for _ in range(2)) == ["by call", "in order"]
    assert take(sqs, heard)["Body"] == "published"
    event = json.loads(take(sqs, routed)["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("timer", "t", {"n": 1})
    eventually(lambda: not scheduler.list_schedules(NamePrefix=n)["Schedules"], "the schedules are deleted after their completion")
    for q in (url, fifo, heard, routed):
        empty(sqs, q)

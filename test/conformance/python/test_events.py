"""What a Python program does with EventBridge."""

import base64
import datetime
import json

import pytest
from common import ACCOUNT, Receiver, connect, empty, eventually, everything, name, new_queue, pattern, refused, take


@pytest.fixture(scope="module")
def events():
    return connect("events")


@pytest.fixture(scope="module")
def sqs():
    return connect("sqs")


@pytest.fixture
def bus(events):
    n = name()
    events.create_event_bus(Name=n)
    return n


def put(events, bus, **detail):
    answer = events.put_events(
        Entries=[{"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": json.dumps(detail), "Resources": ["r"]}]
    )
    assert answer["FailedEntryCount"] == 0, answer
    return answer["Entries"][0]["EventId"]


def rule(events, bus, target, name="r", **fields):
    arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern(**(fields or {"source": ["shop"]})))["RuleArn"]
    answer = events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "t", **target}])
    assert answer["FailedEntryCount"] == 0, answer
    return arn


def test_buses(events):
    n = name()
    arn = events.create_event_bus(Name=n, Description="d", Tags=[{"Key": "a", "Value": "1"}])["EventBusArn"]
    assert arn == f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/{n}"
    refused("ResourceAlreadyExistsException", events.create_event_bus, Name=n)
    assert events.update_event_bus(Name=n, Description="Größe")["Arn"] == arn
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["a"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    events.put_permission(EventBusName=n, StatementId="s", Action="events:PutEvents", Principal="111122223333")
    got = events.describe_event_bus(Name=n)
    assert (got["Name"], got["Arn"], got["Description"]) == (n, arn, "Größe")
    assert json.loads(got["Policy"])["Statement"][0]["Sid"] == "s"
    events.remove_permission(EventBusName=n, StatementId="s")
    assert "Policy" not in events.describe_event_bus(Name=n)
    refused("ResourceNotFoundException", events.remove_permission, EventBusName=n, StatementId="s")
    first = events.list_event_buses(NamePrefix=n[:3], Limit=1)
    assert len(first["EventBuses"]) == 1
    assert [b["Arn"] for b in events.list_event_buses(NamePrefix=n)["EventBuses"]] == [arn]
    events.delete_event_bus(Name=n)
    events.delete_event_bus(Name=n)
    refused("ResourceNotFoundException", events.describe_event_bus, Name=n)
    refused("ValidationException", events.create_event_bus, Name="not a name")
    refused("ValidationException", events.delete_event_bus, Name="default")


def test_rules(events, sqs, bus):
    _, queue = new_queue(sqs)
    made = [events.put_rule(Name=f"r{i}", EventBusName=bus, EventPattern=pattern(source=["shop"]), Description="d")["RuleArn"] for i in range(5)]
    got, sizes = everything(events, "list_rules", "Rules", EventBusName=bus, PaginationConfig={"PageSize": 2})
    assert ([r["Arn"] for r in got], sizes) == (made, [2, 2, 1])
    got = events.describe_rule(Name="r1", EventBusName=bus)
    assert (got["Arn"], got["State"], json.loads(got["EventPattern"]), got["Description"]) == (made[1], "ENABLED", {"source": ["shop"]}, "d")
    events.disable_rule(Name="r1", EventBusName=bus)
    assert events.describe_rule(Name="r1", EventBusName=bus)["State"] == "DISABLED"
    events.enable_rule(Name="r1", EventBusName=bus)
    assert events.describe_rule(Name="r1", EventBusName=bus)["State"] == "ENABLED"
    targets = [{"Id": f"t{i}", "Arn": queue, "Input": f'"{i}"'} for i in range(5)]
    assert events.put_targets(Rule="r1", EventBusName=bus, Targets=targets)["FailedEntryCount"] == 0
    got, sizes = everything(events, "list_targets_by_rule", "Targets", Rule="r1", EventBusName=bus, PaginationConfig={"PageSize": 3})
    assert (got, sizes) == (targets, [3, 2])
    for r in ("r2", "r3"):
        events.put_targets(Rule=r, EventBusName=bus, Targets=targets[:1])
    got, sizes = everything(events, "list_rule_names_by_target", "RuleNames", TargetArn=queue, EventBusName=bus, PaginationConfig={"PageSize": 2})
    assert (got, sizes) == (["r1", "r2", "r3"], [2, 1])
    refused("ValidationException", events.delete_rule, Name="r1", EventBusName=bus)
    removed = events.remove_targets(Rule="r1", EventBusName=bus, Ids=[t["Id"] for t in targets] + ["absent"])
    assert [(e["TargetId"], e["ErrorCode"]) for e in removed["FailedEntries"]] in ([], [("absent", "ResourceNotFoundException")])
    events.delete_rule(Name="r1", EventBusName=bus)
    refused("ResourceNotFoundException", events.describe_rule, Name="r1", EventBusName=bus)
    refused("ResourceNotFoundException", events.put_targets, Rule="r1", EventBusName=bus, Targets=targets)
    refused("InvalidEventPatternException", events.put_rule, Name="r", EventBusName=bus, EventPattern='{"source":"shop"}')
    refused("ValidationException", events.put_rule, Name="r", EventBusName=bus)
    refused("ValidationException", events.delete_event_bus, Name=bus)


def test_patterns(events):
    event = json.dumps({
        "id": "1", "account": ACCOUNT, "source": "shop", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": [], "detail-type": "order", "detail": {"total": 12.5, "ip": "10.0.0.7", "name": "Ålice.png"},
    })
    for detail, matches in (
        ({"total": [{"numeric": [">", 10, "<=", 12.5]}]}, True),
        ({"ip": [{"cidr": "10.0.0.0/29"}]}, True),
        ({"name": [{"wildcard": "*lice.*"}], "absent": [{"exists": False}]}, True),
        ({"name": [{"anything-but": {"suffix": ".png"}}]}, False),
        ({"$or": [{"total": [1]}, {"name": [{"prefix": {"equals-ignore-case": "ålice"}}]}]}, True),
    ):
        assert events.test_event_pattern(Event=event, EventPattern=pattern(detail=detail))["Result"] is matches, detail
    refused("InvalidEventPatternException", events.test_event_pattern, Event=event, EventPattern='{"detail":{"a":[{"numeric":["~",1]}]}}')
    refused("ValidationException", events.test_event_pattern, Event="{}", EventPattern=pattern(source=["shop"]))


def test_events_to_targets(events, sqs, bus):
    whole, path, made, dead = (new_queue(sqs) for _ in range(4))
    arn = rule(events, bus, {"Arn": whole[1]}, name="whole")
    rule(events, bus, {"Arn": path[1], "InputPath": "$.detail.n"}, name="path")
    rule(events, bus, {
        "Arn": made[1],
        "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"got":<n>,"rule":"<aws.events.rule-name>"}'},
    }, name="made")
    gone, gone_arn = new_queue(sqs)
    rule(events, bus, {"Arn": gone_arn, "DeadLetterConfig": {"Arn": dead[1]}}, name="gone")
    sqs.delete_queue(QueueUrl=gone)
    event_id = put(events, bus, n=41)
    event = json.loads(take(sqs, whole[0])["Body"])
    assert (event["id"], event["source"], event["detail-type"], event["detail"], event["resources"]) == (event_id, "shop", "order", {"n": 41}, ["r"])
    assert take(sqs, path[0])["Body"] == "41"
    assert json.loads(take(sqs, made[0])["Body"]) == {"got": 41, "rule": "made"}
    lost = take(sqs, dead[0])
    assert json.loads(lost["Body"])["id"] == event_id
    said = {k: v["StringValue"] for k, v in lost["MessageAttributes"].items()}
    assert (said["ERROR_CODE"], said["TARGET_ARN"], said["RULE_ARN"]) == ("NO_RESOURCE", gone_arn, arn.replace("/whole", "/gone"))
    # entries fail each by itself
    answer = events.put_events(Entries=[
        {"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": "{}"},
        {"EventBusName": bus, "Source": "shop", "DetailType": "order", "Detail": "not JSON"},
        {"EventBusName": bus, "DetailType": "order", "Detail": "{}"},
    ])
    assert answer["FailedEntryCount"] == 2
    assert [e.get("ErrorCode") for e in answer["Entries"]] == [None, "MalformedDetail", "InvalidArgument"]
    assert json.loads(take(sqs, whole[0])["Body"])["id"] == answer["Entries"][0]["EventId"]
    empty(sqs, whole[0])
    events.disable_rule(Name="whole", EventBusName=bus)
    put(events, bus, n=42)
    assert take(sqs, path[0])["Body"] in ("null", "42")
    empty(sqs, whole[0])


def test_api_destinations(events, bus):
    receiver = Receiver()
    connection, destination = name(), name()
    auth = {
        "BasicAuthParameters": {"Username": "u", "Password": "hush"},
        "InvocationHttpParameters": {"HeaderParameters": [{"Key": "x-tenant", "Value": "7", "IsValueSecret": True}]},
    }
    made = events.create_connection(Name=connection, AuthorizationType="BASIC", AuthParameters=auth)
    by = made["ConnectionArn"]
    refused("ResourceAlreadyExistsException", events.create_connection, Name=connection, AuthorizationType="BASIC", AuthParameters=auth)
    eventually(lambda: events.describe_connection(Name=connection)["ConnectionState"] == "AUTHORIZED", "the connection is authorized")
    shown = events.describe_connection(Name=connection)["AuthParameters"]
    assert shown["BasicAuthParameters"] == {"Username": "u"}
    assert shown["InvocationHttpParameters"]["HeaderParameters"] == [{"Key": "x-tenant", "IsValueSecret": True}]
    to = events.create_api_destination(
        Name=destination, ConnectionArn=by, InvocationEndpoint=receiver.url + "/orders/*", HttpMethod="POST", InvocationRateLimitPerSecond=300
    )["ApiDestinationArn"]
    rule(events, bus, {
        "Arn": to, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "InputPath": "$.detail",
        "HttpParameters": {"PathParameterValues": ["$.detail.n"], "HeaderParameters": {"x-n": "$.detail.n"}, "QueryStringParameters": {"a": "b"}},
    })
    put(events, bus, n=1)
    header, body = receiver.wait("the event", lambda h, _: h["x-n"] == "1")
    assert json.loads(body) == {"n": 1}
    assert header["Authorization"] == "Basic " + base64.b64encode(b"u:hush").decode()
    assert (header["x-tenant"], header["User-Agent"]) == ("7", "Amazon/EventBridge/ApiDestinations")
    assert header["Content-Type"] == "application/json; charset=utf-8"
    events.update_connection(Name=connection, AuthorizationType="API_KEY", AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "k"}})
    assert events.update_api_destination(Name=destination, Description="d", InvocationEndpoint=receiver.url)["ApiDestinationArn"] == to
    put(events, bus, n=2)
    header, _ = receiver.wait("the event with the new key", lambda h, _: h["x-n"] == "2")
    assert header["x-key"] == "k" and header["Authorization"] is None
    got = events.describe_api_destination(Name=destination)
    assert (got["ApiDestinationState"], got["Description"], got["InvocationEndpoint"]) == ("ACTIVE", "d", receiver.url)
    assert [d["Name"] for d in events.list_api_destinations(NamePrefix=destination, ConnectionArn=by)["ApiDestinations"]] == [destination]
    assert [c["Name"] for c in events.list_connections(NamePrefix=connection, ConnectionState="AUTHORIZED")["Connections"]] == [connection]
    assert events.deauthorize_connection(Name=connection)["ConnectionState"] in ("DEAUTHORIZING", "DEAUTHORIZED")
    assert events.describe_api_destination(Name=destination)["ApiDestinationState"] == "INACTIVE"
    events.delete_api_destination(Name=destination)
    events.delete_connection(Name=connection)
    refused("ResourceNotFoundException", events.describe_api_destination, Name=destination)
    refused("ResourceNotFoundException", events.describe_connection, Name=connection)


def test_archives_and_replays(events, sqs, bus):
    bus_arn = events.describe_event_bus(Name=bus)["Arn"]
    archive, replay = name(), name()
    arn = events.create_archive(ArchiveName=archive, EventSourceArn=bus_arn, EventPattern=pattern(source=["shop"]), RetentionDays=1)["ArchiveArn"]
    refused("ResourceAlreadyExistsException", events.create_archive, ArchiveName=archive, EventSourceArn=bus_arn)
    sent = put(events, bus, n=1)
    eventually(lambda: events.describe_archive(ArchiveName=archive)["EventCount"] == 1, "the event is archived")
    events.update_archive(ArchiveName=archive, Description="d", RetentionDays=2)
    got = events.describe_archive(ArchiveName=archive)
    assert (got["ArchiveArn"], got["State"], got["Description"], got["RetentionDays"]) == (arn, "ENABLED", "d", 2)
    assert [a["ArchiveName"] for a in events.list_archives(EventSourceArn=bus_arn)["Archives"]] == [archive]
    url, queue = new_queue(sqs)
    r = rule(events, bus, {"Arn": queue})
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    again = {
        "ReplayName": replay, "EventSourceArn": arn, "EventStartTime": now - hour, "EventEndTime": now + hour,
        "Destination": {"Arn": bus_arn, "FilterArns": [r]},
    }
    made = events.start_replay(**again)
    assert made["State"] == "STARTING"
    refused("ResourceAlreadyExistsException", events.start_replay, **again)
    event = json.loads(take(sqs, url)["Body"])
    assert (event["replay-name"], event["detail"]) == (replay, {"n": 1}), sent
    eventually(lambda: events.describe_replay(ReplayName=replay)["State"] == "COMPLETED", "the replay is complete")
    assert [x["ReplayName"] for x in events.list_replays(NamePrefix=replay)["Replays"]] == [replay]
    refused("IllegalStatusException", events.cancel_replay, ReplayName=replay)
    # Events enough that the next replay is still under way when it is cancelled.
    for i in range(20):
        answer = events.put_events(Entries=[
            {"EventBusName": bus, "Source": "shop", "DetailType": "o", "Detail": json.dumps({"i": i, "k": k, "pad": "x" * 2000})} for k in range(10)
        ])
        assert answer["FailedEntryCount"] == 0
    cancelled = cancel(events, again)
    eventually(lambda: events.describe_replay(ReplayName=cancelled)["State"] == "CANCELLED", "the replay is cancelled")
    events.delete_archive(ArchiveName=archive)
    refused("ResourceNotFoundException", events.describe_archive, ArchiveName=archive)


def cancel(events, again):
    """Starts replays until one is cancelled before it is complete."""
    for _ in range(50):
        n = name()
        events.start_replay(**{**again, "ReplayName": n})
        try:
            assert events.cancel_replay(ReplayName=n)["State"] in ("CANCELLING", "CANCELLED")
            return n
        except events.exceptions.IllegalStatusException:
            eventually(lambda: events.describe_replay(ReplayName=n)["State"] == "COMPLETED", "the replay is complete")
    raise AssertionError("every replay was complete before it could be cancelled")

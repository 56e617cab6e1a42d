"""What a Python program does with SNS."""

import json
import urllib.request

import pytest
from common import ACCOUNT, Receiver, connect, empty, everything, name, new_queue, refused, take


@pytest.fixture(scope="module")
def sns():
    return connect("sns")


@pytest.fixture(scope="module")
def sqs():
    return connect("sqs")


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=name())["TopicArn"]


def subscribe(sns, topic, arn, **attributes):
    return sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes, ReturnSubscriptionArn=True
    )["SubscriptionArn"]


def test_topics(sns):
    n = name()
    topic = sns.create_topic(Name=n, Attributes={"DisplayName": "d"}, Tags=[{"Key": "team", "Value": "größe"}])["TopicArn"]
    assert topic == f"arn:aws:sns:us-east-1:{ACCOUNT}:{n}"
    assert sns.create_topic(Name=n)["TopicArn"] == topic
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Größe <&>")
    got = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (got["DisplayName"], got["Owner"], got["SubscriptionsConfirmed"]) == ("Größe <&>", ACCOUNT, "0")
    assert json.loads(got["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "a", "Value": ""}])
    assert sorted(t["Key"] for t in sns.list_tags_for_resource(ResourceArn=topic)["Tags"]) == ["a", "team"]
    sns.untag_resource(ResourceArn=topic, TagKeys=["team"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": ""}]
    sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["111122223333"], ActionName=["Publish"])
    policy = json.loads(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert any(s.get("Sid") == "l" and s["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"} for s in policy["Statement"]), policy
    sns.remove_permission(TopicArn=topic, Label="l")
    assert "111122223333" not in sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    refused("NotFound", sns.get_topic_attributes, TopicArn=topic)
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.publish(TopicArn=topic, Message="m")
    refused("InvalidParameter", sns.create_topic, Name="not a name")
    refused("InvalidParameter", sns.set_topic_attributes, TopicArn=topic + ":x:y", AttributeName="DisplayName", AttributeValue="x")


def test_lists_in_pages():
    sns, sqs = connect("sns", "eu-north-1"), connect("sqs", "eu-north-1")
    _, arn = new_queue(sqs)
    topics = [sns.create_topic(Name=f"page-{i}")["TopicArn"] for i in range(101)]
    subscriptions = [subscribe(sns, t, arn) for t in topics]
    got, sizes = everything(sns, "list_topics", "Topics")
    assert (sorted(t["TopicArn"] for t in got), sizes) == (sorted(topics), [100, 1])
    got, sizes = everything(sns, "list_subscriptions", "Subscriptions")
    assert (sorted(s["SubscriptionArn"] for s in got), sizes) == (sorted(subscriptions), [100, 1])
    got, _ = everything(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=topics[7])
    assert got == [
        {"SubscriptionArn": subscriptions[7], "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": arn, "TopicArn": topics[7]}
    ]
    refused("InvalidParameter", sns.list_topics, NextToken="made up")


def test_publish_to_queues(sns, sqs, topic):
    url, arn = new_queue(sqs)
    raw, raw_arn = new_queue(sqs)
    sub = subscribe(sns, topic, arn)
    subscribe(sns, topic, raw_arn, RawMessageDelivery="true", FilterPolicy='{"kind":["sale"]}')
    attributes = {
        "kind": {"DataType": "String", "StringValue": "sale"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\0\1\xff"},
    }
    text = "ünïcödé <&> \U0001f680"
    sent = sns.publish(TopicArn=topic, Message=text, Subject="s", MessageAttributes=attributes)
    m = json.loads(take(sqs, url)["Body"])
    assert (m["Type"], m["MessageId"], m["Message"], m["Subject"], m["TopicArn"]) == ("Notification", sent["MessageId"], text, "s", topic)
    assert m["MessageAttributes"] == {"kind": {"Type": "String", "Value": "sale"}, "blob": {"Type": "Binary", "Value": "AAH/"}}
    got = take(sqs, raw)
    assert (got["Body"], got["MessageAttributes"]) == (text, attributes)
    sns.publish(TopicArn=topic, MessageStructure="json", Message='{"default":"d","sqs":"for queues"}')
    assert json.loads(take(sqs, url)["Body"])["Message"] == "for queues"
    empty(sqs, raw)
    # a batch of which one entry is refused
    batch = sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "a", "Message": "m", "MessageAttributes": attributes},
            {"Id": "b", "Message": ""},
        ],
    )
    assert [e["Id"] for e in batch["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in batch["Failed"]] == [("b", "InvalidParameter", True)]
    assert take(sqs, raw)["Body"] == "m"
    # subscriptions, and what they say of themselves
    sns.set_subscription_attributes(SubscriptionArn=sub, AttributeName="FilterPolicy", AttributeValue='{"a":[{"exists":false}]}')
    got = sns.get_subscription_attributes(SubscriptionArn=sub)["Attributes"]
    assert (got["FilterPolicy"], got["FilterPolicyScope"], got["PendingConfirmation"]) == ('{"a":[{"exists":false}]}', "MessageAttributes", "false")
    refused("InvalidParameter", sns.set_subscription_attributes, SubscriptionArn=sub, AttributeName="FilterPolicy", AttributeValue="{")
    sns.unsubscribe(SubscriptionArn=sub)
    refused("NotFound", sns.get_subscription_attributes, SubscriptionArn=sub)
    refused("InvalidParameter", sns.publish, TopicArn=topic, Message="")
    refused("InvalidParameter", sns.publish, TopicArn=topic, Message="m", MessageStructure="json")
    refused("EmptyBatchRequest", sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[])
    twice = [{"Id": "a", "Message": "m"}] * 2
    refused("BatchEntryIdsNotDistinct", sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=twice)
    refused("InvalidParameter", sns.subscribe, TopicArn=topic, Protocol="pigeon", Endpoint="x")


def test_fifo(sns, sqs):
    topic = sns.create_topic(Name=name(".fifo"), Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})["TopicArn"]
    url, arn = new_queue(sqs, FifoQueue="true")
    subscribe(sns, topic, arn, RawMessageDelivery="true")
    sent = [sns.publish(TopicArn=topic, Message=m, MessageGroupId="g") for m in ("1", "2", "1")]
    assert sent[0]["SequenceNumber"] < sent[1]["SequenceNumber"]
    assert sent[2]["SequenceNumber"] == sent[0]["SequenceNumber"]
    assert [take(sqs, url)["Body"] for _ in range(2)] == ["1", "2"]
    empty(sqs, url)
    refused("InvalidParameter", sns.publish, TopicArn=topic, Message="m")


def test_http_endpoint(sns, topic):
    receiver = Receiver()
    pending = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url + "/hook")
    assert pending["SubscriptionArn"] == "pending confirmation"
    _, body = receiver.wait("the confirmation", lambda h, _: h["x-amz-sns-message-type"] == "SubscriptionConfirmation")
    asked = json.loads(body)
    refused("InvalidParameter", sns.confirm_subscription, TopicArn=topic, Token="0" * 64)
    sub = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"], AuthenticateOnUnsubscribe="true")["SubscriptionArn"]
    assert sub.startswith(topic + ":")
    assert sns.get_subscription_attributes(SubscriptionArn=sub)["Attributes"]["ConfirmationWasAuthenticated"] == "true"
    # confirming again, also by the link, is no error
    with urllib.request.urlopen(asked["SubscribeURL"]) as answer:
        assert sub in answer.read().decode()
    sent = sns.publish(TopicArn=topic, Message="pushed")
    _, body = receiver.wait("the message", lambda h, _: h["x-amz-sns-message-id"] == sent["MessageId"])
    assert json.loads(body)["Message"] == "pushed"

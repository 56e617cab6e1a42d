'use strict';
// What a program with the AWS SDK for JavaScript v3 does with SNS.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const n = require('@aws-sdk/client-sns');
const { SQSClient } = require('@aws-sdk/client-sqs');
const { account, connect, empty, name, newQueue, receiver, refused, take } = require('./common.cjs');

const sns = connect(n.SNSClient, 'sns');
const create = async (Attributes, suffix, client = sns) =>
  (await client.send(new n.CreateTopicCommand({ Name: name(suffix), Attributes }))).TopicArn;
const subscribe = async (TopicArn, queue, Attributes, client = sns) =>
  (
    await client.send(
      new n.SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: queue.arn, Attributes, ReturnSubscriptionArn: true }),
    )
  ).SubscriptionArn;
const attributesOf = async (TopicArn) => (await sns.send(new n.GetTopicAttributesCommand({ TopicArn }))).Attributes;
const publish = (TopicArn, Message, more) => sns.send(new n.PublishCommand({ TopicArn, Message, ...more }));

describe('topics', { concurrency: true }, () => {
  it('are made, changed, tagged, opened and deleted', async () => {
    const Name = name();
    const made = new n.CreateTopicCommand({ Name, Attributes: { DisplayName: 'd' }, Tags: [{ Key: 'team', Value: 'größe' }] });
    const { TopicArn } = await sns.send(made);
    assert.equal(TopicArn, `arn:aws:sns:us-east-1:${account}:${Name}`);
    assert.equal((await sns.send(new n.CreateTopicCommand({ Name }))).TopicArn, TopicArn);
    await refused(sns, new n.CreateTopicCommand({ Name, Attributes: { DisplayName: 'other' } }), n.InvalidParameterException);
    await sns.send(new n.SetTopicAttributesCommand({ TopicArn, AttributeName: 'DisplayName', AttributeValue: '<&> ü' }));
    assert.equal((await attributesOf(TopicArn)).DisplayName, '<&> ü');
    await sns.send(new n.TagResourceCommand({ ResourceArn: TopicArn, Tags: [{ Key: 'a', Value: '1' }] }));
    await sns.send(new n.UntagResourceCommand({ ResourceArn: TopicArn, TagKeys: ['team'] }));
    const { Tags } = await sns.send(new n.ListTagsForResourceCommand({ ResourceArn: TopicArn }));
    assert.deepEqual(Tags, [{ Key: 'a', Value: '1' }]);
    const granted = { TopicArn, Label: 'l', AWSAccountId: ['111122223333'], ActionName: ['Publish', 'Subscribe'] };
    await sns.send(new n.AddPermissionCommand(granted));
    assert.match((await attributesOf(TopicArn)).Policy, /111122223333/);
    await sns.send(new n.RemovePermissionCommand({ TopicArn, Label: 'l' }));
    assert.doesNotMatch((await attributesOf(TopicArn)).Policy, /111122223333/);
    await sns.send(new n.DeleteTopicCommand({ TopicArn }));
    await refused(sns, new n.GetTopicAttributesCommand({ TopicArn }), n.NotFoundException);
    await refused(sns, new n.PublishCommand({ TopicArn, Message: 'm' }), n.NotFoundException);
  });

  it('and subscriptions are listed in pages', async () => {
    const client = connect(n.SNSClient, 'sns', { region: 'sa-east-1' });
    const queue = await newQueue({}, connect(SQSClient, 'sqs', { region: 'sa-east-1' }));
    const topics = await Promise.all(Array.from({ length: 101 }, () => create({}, '', client)));
    const subscriptions = await Promise.all(topics.map((t) => subscribe(t, queue, {}, client)));
    const pages = async (paginate, key, arn, more = {}) => {
      const got = [];
      for await (const page of paginate({ client }, more)) got.push(page[key].map((x) => x[arn]));
      return got;
    };
    let got = await pages(n.paginateListTopics, 'Topics', 'TopicArn');
    assert.deepEqual([got.length, got.flat().sort()], [2, topics.sort()]);
    got = await pages(n.paginateListSubscriptions, 'Subscriptions', 'SubscriptionArn');
    assert.deepEqual([got.length, got.flat().sort()], [2, subscriptions.sort()]);
    got = await pages(n.paginateListSubscriptionsByTopic, 'Subscriptions', 'Endpoint', { TopicArn: topics[3] });
    assert.deepEqual(got, [[queue.arn]]);
  });

  it('publish to queues', async () => {
    const topic = await create();
    const [enveloped, raw] = await Promise.all([newQueue(), newQueue()]);
    const SubscriptionArn = await subscribe(topic, enveloped);
    await subscribe(topic, raw, { RawMessageDelivery: 'true', FilterPolicy: '{"kind":["sale"]}' });
    const MessageAttributes = {
      kind: { DataType: 'String', StringValue: 'sale' },
      blob: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 1, 255]) },
    };
    const { MessageId } = await publish(topic, 'ünïcödé 🚀', { Subject: 's', MessageAttributes });
    const message = JSON.parse((await take(enveloped)).Body);
    assert.deepEqual(
      [message.Type, message.MessageId, message.Message, message.Subject, message.MessageAttributes.blob],
      ['Notification', MessageId, 'ünïcödé 🚀', 's', { Type: 'Binary', Value: 'AAH/' }],
    );
    const got = await take(raw);
    assert.equal(got.Body, 'ünïcödé 🚀');
    assert.deepEqual(Buffer.from(got.MessageAttributes.blob.BinaryValue), Buffer.from([0, 1, 255]));
    const batch = await sns.send(
      new n.PublishBatchCommand({
        TopicArn: topic,
        PublishBatchRequestEntries: [
          { Id: 'a', Message: 'm', MessageAttributes },
          { Id: 'b', Message: '' },
        ],
      }),
    );
    assert.deepEqual([batch.Successful.map((e) => e.Id), batch.Failed.map((e) => [e.Id, e.Code, e.SenderFault])], [['a'], [['b', 'InvalidParameter', true]]]);
    assert.equal((await take(raw)).Body, 'm');
    const policy = '{"a":[{"exists":false}]}';
    await sns.send(new n.SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName: 'FilterPolicy', AttributeValue: policy }));
    const { Attributes } = await sns.send(new n.GetSubscriptionAttributesCommand({ SubscriptionArn }));
    assert.deepEqual([Attributes.FilterPolicy, Attributes.Endpoint], [policy, enveloped.arn]);
    await sns.send(new n.UnsubscribeCommand({ SubscriptionArn }));
    await refused(sns, new n.GetSubscriptionAttributesCommand({ SubscriptionArn }), n.NotFoundException);
    await refused(sns, new n.PublishCommand({ TopicArn: topic, Message: '' }), n.InvalidParameterException);
    const twice = { TopicArn: topic, PublishBatchRequestEntries: [{ Id: 'a', Message: 'm' }, { Id: 'a', Message: 'm' }] };
    await refused(sns, new n.PublishBatchCommand(twice), n.BatchEntryIdsNotDistinctException);
    await refused(sns, new n.PublishBatchCommand({ TopicArn: topic, PublishBatchRequestEntries: [] }), n.EmptyBatchRequestException);
  });

  it('in order keep it, without duplicates', async () => {
    const topic = await create({ FifoTopic: 'true', ContentBasedDeduplication: 'true' }, '.fifo');
    const queue = await newQueue({ FifoQueue: 'true' });
    await subscribe(topic, queue, { RawMessageDelivery: 'true' });
    const numbers = [];
    for (const m of ['1', '2', '1']) numbers.push((await publish(topic, m, { MessageGroupId: 'g' })).SequenceNumber);
    assert.ok(numbers[0] < numbers[1]);
    assert.equal(numbers[2], numbers[0]);
    assert.deepEqual([(await take(queue)).Body, (await take(queue)).Body], ['1', '2']);
    await empty(queue);
  });

  it('push to endpoints that confirm', async () => {
    const TopicArn = await create();
    const endpoint = await receiver();
    const asked = await sns.send(new n.SubscribeCommand({ TopicArn, Protocol: 'http', Endpoint: `${endpoint.url}/hook` }));
    assert.equal(asked.SubscriptionArn, 'pending confirmation');
    const { body } = await endpoint.wait('the confirmation', (x) => x.headers['x-amz-sns-message-type'] === 'SubscriptionConfirmation');
    await refused(sns, new n.ConfirmSubscriptionCommand({ TopicArn, Token: '0'.repeat(64) }), n.InvalidParameterException);
    const { SubscriptionArn } = await sns.send(new n.ConfirmSubscriptionCommand({ TopicArn, Token: JSON.parse(body).Token }));
    const { MessageId } = await publish(TopicArn, 'pushed');
    const got = await endpoint.wait('the message', (x) => x.headers['x-amz-sns-message-id'] === MessageId);
    assert.equal(JSON.parse(got.body).Message, 'pushed');
    assert.equal(got.headers['x-amz-sns-subscription-arn'], SubscriptionArn);
  });
});

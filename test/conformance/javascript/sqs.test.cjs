'use strict';
// What a program with the AWS SDK for JavaScript v3 does with SQS, against the
// server at WAYSTATION_ENDPOINT.

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { describe, it } = require('node:test');
const { setTimeout: after } = require('node:timers/promises');
const s = require('@aws-sdk/client-sqs');
const { GetCallerIdentityCommand, STSClient } = require('@aws-sdk/client-sts');

const endpoint = process.env.WAYSTATION_ENDPOINT;
const account = '000000000000';
const settings = (more = {}) => ({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'secret' },
  maxAttempts: 1,
  ...more,
});
const sqs = new s.SQSClient(settings());

let number = 0;
const name = (suffix = '') => `js-${process.pid}-${number++}${suffix}`;
const create = async (Attributes, suffix) =>
  (await sqs.send(new s.CreateQueueCommand({ QueueName: name(suffix), Attributes }))).QueueUrl;
const createFifo = () => create({ FifoQueue: 'true', ContentBasedDeduplication: 'true' }, '.fifo');
const send = (QueueUrl, MessageBody, more = {}) => sqs.send(new s.SendMessageCommand({ QueueUrl, MessageBody, ...more }));
const receive = async (QueueUrl, more = {}) =>
  (
    await sqs.send(
      new s.ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
        ...more,
      }),
    )
  ).Messages ?? [];
const bodies = (messages) => messages.map((m) => m.Body);
const attributes = async (QueueUrl, ...AttributeNames) =>
  (await sqs.send(new s.GetQueueAttributesCommand({ QueueUrl, AttributeNames }))).Attributes;
const arn = async (url) => (await attributes(url, 'QueueArn')).QueueArn;
const counts = async (url) => {
  const a = await attributes(url, 'All');
  return ['', 'NotVisible', 'Delayed'].map((k) => Number(a[`ApproximateNumberOfMessages${k}`]));
};
const refused = async (command, type, code, client = sqs) => {
  const error = await client.send(command).then(
    () => assert.fail('was not refused'),
    (e) => e,
  );
  if (typeof type === 'string') assert.equal(error.name, type);
  else assert.ok(error instanceof type, `${error.name}: ${error.message}`);
  if (code) assert.equal(error.Code ?? error.Error?.Code ?? error.name, code);
  assert.ok(error.message);
  assert.ok(error.$metadata.httpStatusCode >= 400 && error.$metadata.httpStatusCode < 500);
};

describe('queues', { concurrency: true }, () => {
  it('are created, found, changed, tagged and deleted', async () => {
    const QueueName = name();
    const { QueueUrl } = await sqs.send(new s.CreateQueueCommand({ QueueName, tags: { team: 'orders' } }));
    assert.equal(QueueUrl, `${endpoint}/${account}/${QueueName}`);
    assert.equal((await sqs.send(new s.GetQueueUrlCommand({ QueueName }))).QueueUrl, QueueUrl);
    await sqs.send(new s.TagQueueCommand({ QueueUrl, Tags: { a: 'größe' } }));
    await sqs.send(new s.UntagQueueCommand({ QueueUrl, TagKeys: ['team'] }));
    assert.deepEqual((await sqs.send(new s.ListQueueTagsCommand({ QueueUrl }))).Tags, { a: 'größe' });
    await sqs.send(new s.SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '7' } }));
    assert.equal((await attributes(QueueUrl, 'All')).VisibilityTimeout, '7');
    await refused(
      new s.CreateQueueCommand({ QueueName, Attributes: { VisibilityTimeout: '8' } }),
      s.QueueNameExists,
    );
    await sqs.send(new s.DeleteQueueCommand({ QueueUrl }));
    await refused(new s.GetQueueUrlCommand({ QueueName }), s.QueueDoesNotExist);
  });

  it('are listed in pages', async () => {
    const client = new s.SQSClient(settings({ region: 'ca-central-1' }));
    for (let i = 0; i < 7; i++) await client.send(new s.CreateQueueCommand({ QueueName: `page-${i}` }));
    const sizes = [];
    for await (const page of s.paginateListQueues({ client, pageSize: 3 }, {})) sizes.push(page.QueueUrls.length);
    assert.deepEqual(sizes, [3, 3, 1]);
  });

  it('take permissions and purges', async () => {
    const QueueUrl = await create();
    await sqs.send(
      new s.AddPermissionCommand({ QueueUrl, Label: 'l', AWSAccountIds: ['111122223333'], Actions: ['SendMessage'] }),
    );
    assert.match((await attributes(QueueUrl, 'Policy')).Policy, /111122223333/);
    await sqs.send(new s.RemovePermissionCommand({ QueueUrl, Label: 'l' }));
    await send(QueueUrl, 'm');
    await sqs.send(new s.PurgeQueueCommand({ QueueUrl }));
    assert.deepEqual(await counts(QueueUrl), [0, 0, 0]);
    await refused(new s.PurgeQueueCommand({ QueueUrl }), s.PurgeQueueInProgress);
  });
});

describe('messages', { concurrency: true }, () => {
  for (const body of ['x', ' ', '\t\n\r', 'größe 日本語 😀', '<a>&amp;</a>', 'z'.repeat(1 << 20)]) {
    it(`carry ${JSON.stringify(body.slice(0, 20))}`, async () => {
      const url = await create();
      const sent = await send(url, body);
      assert.equal(sent.MD5OfMessageBody, createHash('md5').update(body).digest('hex'));
      const [m] = await receive(url, { WaitTimeSeconds: 5 }); // the SDK checks the digest
      assert.equal(m.Body, body);
      await sqs.send(new s.DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: m.ReceiptHandle }));
      assert.deepEqual(await counts(url), [0, 0, 0]);
    });
  }

  it('carry attributes', async () => {
    const url = await create();
    const given = {
      s: { DataType: 'String', StringValue: 'v' },
      n: { DataType: 'Number', StringValue: '-1.5' },
      b: { DataType: 'Binary', BinaryValue: Uint8Array.from({ length: 256 }, (_, i) => i) },
    };
    const trace = 'Root=1-5759e988-bd862e3fe1be46a994272793';
    const sent = await send(url, 'm', {
      MessageAttributes: given,
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: trace } },
    });
    const [m] = await receive(url);
    assert.equal(m.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
    assert.deepEqual(Object.keys(m.MessageAttributes).sort(), ['b', 'n', 's']);
    assert.deepEqual(Uint8Array.from(m.MessageAttributes.b.BinaryValue), given.b.BinaryValue);
    assert.equal(m.MessageAttributes.n.StringValue, '-1.5');
    assert.equal(m.Attributes.AWSTraceHeader, trace);
    assert.equal(m.Attributes.ApproximateReceiveCount, '1');
  });

  it('come and go in batches', async () => {
    const QueueUrl = await create();
    const Entries = Array.from({ length: 10 }, (_, i) => ({ Id: `i${i}`, MessageBody: `m${i}` }));
    Entries[4].DelaySeconds = 901;
    const sent = await sqs.send(new s.SendMessageBatchCommand({ QueueUrl, Entries }));
    assert.equal(sent.Successful.length, 9);
    assert.deepEqual(sent.Failed.map((f) => [f.Id, f.Code, f.SenderFault]), [['i4', 'InvalidParameterValue', true]]);
    const got = await receive(QueueUrl);
    const handles = got.map((m, i) => ({ Id: `d${i}`, ReceiptHandle: m.ReceiptHandle }));
    const changed = await sqs.send(
      new s.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: handles.map((h) => ({ ...h, VisibilityTimeout: 60 })) }),
    );
    assert.equal(changed.Successful.length, 9);
    handles.push({ Id: 'bad', ReceiptHandle: 'nonsense' });
    const deleted = await sqs.send(new s.DeleteMessageBatchCommand({ QueueUrl, Entries: handles }));
    assert.equal(deleted.Successful.length, 9);
    assert.equal(deleted.Failed[0].Code, 'ReceiptHandleIsInvalid');
    await refused(new s.SendMessageBatchCommand({ QueueUrl, Entries: [] }), s.EmptyBatchRequest);
    await refused(
      new s.SendMessageBatchCommand({ QueueUrl, Entries: [Entries[0], Entries[0]] }),
      s.BatchEntryIdsNotDistinct,
    );
  });

  it('come back after their timeout', async () => {
    const url = await create();
    await send(url, 'm');
    const [first] = await receive(url, { VisibilityTimeout: 600 });
    assert.deepEqual(await receive(url), []);
    await sqs.send(
      new s.ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 1 }),
    );
    const [second] = await receive(url, { WaitTimeSeconds: 10 });
    assert.equal(second.Attributes.ApproximateReceiveCount, '2');
    await refused(new s.DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: 'nonsense' }), s.ReceiptHandleIsInvalid);
  });

  it('end a long poll', async () => {
    const url = await create();
    const poll = receive(url, { WaitTimeSeconds: 20 });
    const start = performance.now();
    await send(url, 'wake up', { DelaySeconds: 1 });
    assert.deepEqual(bodies(await poll), ['wake up']);
    const took = performance.now() - start;
    assert.ok(took > 900 && took < 5000, `took ${took} ms`);
  });

  it('of a client that goes away stay', async () => {
    const url = await create();
    const gone = new AbortController();
    const client = new s.SQSClient(settings());
    const poll = client.send(new s.ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 }), {
      abortSignal: gone.signal,
    });
    assert.deepEqual(await receive(url, { WaitTimeSeconds: 1 }), []);
    gone.abort();
    await assert.rejects(poll);
    client.destroy();
    assert.deepEqual(await receive(url, { WaitTimeSeconds: 1 }), []);
    await send(url, 'm');
    const [m] = await receive(url, { WaitTimeSeconds: 5 });
    assert.equal(m.Attributes.ApproximateReceiveCount, '1');
  });
});

describe('FIFO and dead letters', { concurrency: true }, () => {
  it('keep order and drop duplicates', async () => {
    const url = await createFifo();
    const numbers = [];
    for (const b of ['a1', 'a2', 'b1']) numbers.push((await send(url, b, { MessageGroupId: b[0] })).SequenceNumber);
    assert.deepEqual([...numbers].sort(), numbers);
    assert.equal((await send(url, 'a1', { MessageGroupId: 'a' })).SequenceNumber, numbers[0]);
    const [first] = await receive(url, { MaxNumberOfMessages: 1 });
    assert.equal(first.Body, 'a1');
    assert.deepEqual(bodies(await receive(url)), ['b1']);
    await sqs.send(new s.DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: first.ReceiptHandle }));
    assert.deepEqual(bodies(await receive(url)), ['a2']);
  });

  it('end in the dead-letter queue and are moved back', async () => {
    const dlq = await create();
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: await arn(dlq), maxReceiveCount: 1 });
    const source = await create({ RedrivePolicy });
    const sources = await sqs.send(new s.ListDeadLetterSourceQueuesCommand({ QueueUrl: dlq }));
    assert.deepEqual(sources.queueUrls, [source]);
    await send(source, 'poison');
    const [m] = await receive(source);
    await sqs.send(
      new s.ChangeMessageVisibilityCommand({ QueueUrl: source, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0 }),
    );
    assert.deepEqual(await receive(source), []);
    assert.deepEqual(await counts(dlq), [1, 0, 0]);
    const SourceArn = await arn(dlq);
    const { TaskHandle } = await sqs.send(new s.StartMessageMoveTaskCommand({ SourceArn }));
    assert.ok(TaskHandle);
    for (let i = 0; ; i++) {
      const { Results } = await sqs.send(new s.ListMessageMoveTasksCommand({ SourceArn }));
      if (Results[0].Status === 'COMPLETED') break;
      assert.ok(i < 200, `the task is ${Results[0].Status}`);
      await after(100);
    }
    assert.deepEqual(await counts(source), [1, 0, 0]);
    await refused(
      new s.StartMessageMoveTaskCommand({ SourceArn: `${SourceArn}-absent` }),
      s.ResourceNotFoundException,
    );
    await refused(new s.CancelMessageMoveTaskCommand({ TaskHandle: 'nonsense' }), s.SQSServiceException);
  });
});

describe('errors', { concurrency: true }, () => {
  it('have the types that the SDK expects', async () => {
    const QueueUrl = await create();
    await refused(new s.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['Nonsense'] }), s.InvalidAttributeName);
    await refused(new s.SendMessageCommand({ QueueUrl, MessageBody: '\u0001' }), s.InvalidMessageContents);
    await refused(new s.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 11 }), s.SQSServiceException);
    await refused(new s.CreateQueueCommand({ QueueName: 'a/b' }), s.SQSServiceException);
  });
});

describe('STS', () => {
  it('tells who calls', async () => {
    const sts = new STSClient(settings());
    assert.equal((await sts.send(new GetCallerIdentityCommand({}))).Account, account);
  });
});

describe('as the real service was recorded', () => {
  it('takes a bare name for a queue URL', async () => {
    const url = await create();
    const bare = url.split('/').pop();
    await send(bare, 'm');
    assert.deepEqual(bodies(await receive(url)), ['m']);
    await refused(
      new s.SendMessageCommand({ QueueUrl: `${endpoint}/no/queue/at/all`, MessageBody: 'm' }),
      s.QueueDoesNotExist,
      'AWS.SimpleQueueService.NonExistentQueue',
    );
  });

  it('keeps the trace of the request with its messages', async () => {
    const url = await create();
    const traced = new s.SQSClient(settings());
    traced.middlewareStack.add(
      (next) => (args) => {
        args.request.headers['x-amzn-trace-id'] = 'Root=1-2-3';
        return next(args);
      },
      { step: 'build' },
    );
    await traced.send(new s.SendMessageCommand({ QueueUrl: url, MessageBody: 'm' }));
    const [message] = await receive(url);
    assert.equal(message.Attributes.AWSTraceHeader, 'Root=1-2-3');
  });

  it('blocks what is behind a message in flight, not what is before it', async () => {
    const url = await createFifo();
    for (const m of ['foo', 'bar', 'baz']) await send(url, m, { MessageGroupId: 'g' });
    const got = await receive(url, { VisibilityTimeout: 1 });
    assert.deepEqual(bodies(got), ['foo', 'bar', 'baz']);
    const { ReceiptHandle } = got[2];
    await sqs.send(new s.ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 600 }));
    assert.deepEqual(bodies(await receive(url, { WaitTimeSeconds: 10 })), ['foo', 'bar']);
  });
});

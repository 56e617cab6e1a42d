'use strict';
// What the tests of topics, buses and schedules share.

const assert = require('node:assert/strict');
const { appendFileSync } = require('node:fs');
const http = require('node:http');
const { after } = require('node:test');
const { setTimeout: later } = require('node:timers/promises');
const s = require('@aws-sdk/client-sqs');

const account = '000000000000';

// The operations that were called with success, for the test that starts this one.
const called = new Set();
process.on('exit', () => {
  if (process.env.WAYSTATION_CALLED) appendFileSync(process.env.WAYSTATION_CALLED, [...called].map((line) => `${line}\n`).join(''));
});

// connect makes a client that notes what is called.
const connect = (Client, service, more = {}) => {
  const client = new Client({
    endpoint: process.env.WAYSTATION_ENDPOINT,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'secret' },
    maxAttempts: 1,
    ...more,
  });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      called.add(`${service} ${context.commandName.replace(/Command$/, '')}`);
      return answer;
    },
    { step: 'initialize' },
  );
  return client;
};

const sqs = connect(s.SQSClient, 'sqs');

let number = 0;
const name = (suffix = '') => `js-${process.pid}-${number++}${suffix}`;

const newQueue = async (Attributes = {}, client = sqs) => {
  const QueueName = name(Attributes.FifoQueue ? '.fifo' : '');
  const { QueueUrl: url } = await client.send(new s.CreateQueueCommand({ QueueName, Attributes }));
  const got = await client.send(new s.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
  return { url, arn: got.Attributes.QueueArn };
};

// take is the next message of a queue, waited for.
const take = async ({ url: QueueUrl }) => {
  const all = { MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] };
  const { Messages = [] } = await sqs.send(new s.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, ...all }));
  assert.equal(Messages.length, 1);
  await sqs.send(new s.DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));
  return Messages[0];
};

const empty = async ({ url: QueueUrl }) =>
  assert.deepEqual((await sqs.send(new s.ReceiveMessageCommand({ QueueUrl }))).Messages ?? [], []);

// refused checks that a command fails with an error of that type, or of that name.
const refused = async (client, command, type) => {
  const error = await client.send(command).then(
    () => assert.fail(`${command.constructor.name} was not refused`),
    (e) => e,
  );
  if (typeof type === 'string') assert.equal(error.name, type, error.message);
  else assert.ok(error instanceof type, `${error.name}: ${error.message}`);
  assert.ok(error.message);
  const status = error.$metadata.httpStatusCode;
  assert.ok(status >= 400 && status < 500, `${status}`);
};

const eventually = async (what, check) => {
  for (const until = Date.now() + 60_000; ; await later(50)) {
    const got = await check();
    if (got) return got;
    assert.ok(Date.now() < until, `not in time: ${what}`);
  }
};

// receiver is an HTTP endpoint that keeps what it gets.
const receiver = async () => {
  const got = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    got.push({ headers: request.headers, body });
    response.end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    wait: (what, check) => eventually(what, () => got.find(check)),
  };
};

module.exports = { account, connect, empty, eventually, name, newQueue, receiver, refused, sqs, take };

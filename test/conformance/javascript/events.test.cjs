'use strict';
// What a program with the AWS SDK for JavaScript v3 does with EventBridge.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const e = require('@aws-sdk/client-eventbridge');
const { account, connect, empty, eventually, name, newQueue, receiver, refused, take } = require('./common.cjs');

const events = connect(e.EventBridgeClient, 'events');
const call = (Command, input) => events.send(new Command(input));
const newBus = async () => {
  const Name = name();
  return { Name, Arn: (await call(e.CreateEventBusCommand, { Name })).EventBusArn };
};
const entry = (bus, detail) => ({ EventBusName: bus.Name, Source: 'shop', DetailType: 'order', Detail: JSON.stringify(detail) });
const put = async (bus, ...details) => {
  const answer = await call(e.PutEventsCommand, { Entries: details.map((d) => entry(bus, d)) });
  assert.equal(answer.FailedEntryCount, 0);
  return answer.Entries.map((x) => x.EventId);
};
const newRule = async (bus, target, Name = 'r') => {
  const { RuleArn } = await call(e.PutRuleCommand, { Name, EventBusName: bus.Name, EventPattern: '{"source":["shop"]}' });
  const answer = await call(e.PutTargetsCommand, { Rule: Name, EventBusName: bus.Name, Targets: [{ Id: 't', ...target }] });
  assert.equal(answer.FailedEntryCount, 0);
  return RuleArn;
};
// This SDK has no paginators for EventBridge: pages are followed by their tokens.
const pages = async (Command, input, key) => {
  const got = [];
  for (let NextToken; ; ) {
    const page = await call(Command, { ...input, NextToken });
    got.push(page[key]);
    NextToken = page.NextToken;
    if (!NextToken) return got;
  }
};

describe('buses', { concurrency: true }, () => {
  it('are made, changed, tagged, opened and deleted', async () => {
    const Name = name();
    const { EventBusArn: ResourceARN } = await call(e.CreateEventBusCommand, { Name, Tags: [{ Key: 'a', Value: '1' }] });
    await refused(events, new e.CreateEventBusCommand({ Name }), e.ResourceAlreadyExistsException);
    await call(e.UpdateEventBusCommand, { Name, Description: 'größe' });
    await call(e.TagResourceCommand, { ResourceARN, Tags: [{ Key: 'b', Value: '2' }] });
    await call(e.UntagResourceCommand, { ResourceARN, TagKeys: ['a'] });
    assert.deepEqual((await call(e.ListTagsForResourceCommand, { ResourceARN })).Tags, [{ Key: 'b', Value: '2' }]);
    const granted = { EventBusName: Name, StatementId: 's', Action: 'events:PutEvents', Principal: '111122223333' };
    await call(e.PutPermissionCommand, granted);
    const got = await call(e.DescribeEventBusCommand, { Name });
    assert.deepEqual([got.Arn, got.Description, JSON.parse(got.Policy).Statement[0].Sid], [ResourceARN, 'größe', 's']);
    await call(e.RemovePermissionCommand, { EventBusName: Name, StatementId: 's' });
    assert.equal((await call(e.DescribeEventBusCommand, { Name })).Policy, undefined);
    const list = await pages(e.ListEventBusesCommand, { NamePrefix: Name, Limit: 1 }, 'EventBuses');
    assert.deepEqual(list.flat().map((b) => b.Arn), [ResourceARN]);
    await call(e.DeleteEventBusCommand, { Name });
    await refused(events, new e.DescribeEventBusCommand({ Name }), e.ResourceNotFoundException);
  });

  it('have rules and targets', async () => {
    const bus = await newBus();
    const EventBusName = bus.Name;
    const queue = await newQueue();
    for (let i = 0; i < 5; i++) await newRule(bus, { Arn: queue.arn }, `r${i}`);
    let got = await pages(e.ListRulesCommand, { EventBusName, Limit: 2 }, 'Rules');
    assert.deepEqual(got.map((page) => page.length), [2, 2, 1]);
    got = await pages(e.ListRuleNamesByTargetCommand, { EventBusName, TargetArn: queue.arn, Limit: 3 }, 'RuleNames');
    assert.deepEqual(got, [['r0', 'r1', 'r2'], ['r3', 'r4']]);
    const Targets = [1, 2, 3].map((i) => ({ Id: `t${i}`, Arn: queue.arn, InputPath: `$.detail.n${i}` }));
    await call(e.PutTargetsCommand, { Rule: 'r1', EventBusName, Targets });
    got = await pages(e.ListTargetsByRuleCommand, { Rule: 'r1', EventBusName, Limit: 3 }, 'Targets');
    assert.deepEqual(got, [[{ Id: 't', Arn: queue.arn }, ...Targets.slice(0, 2)], Targets.slice(2)]);
    await call(e.DisableRuleCommand, { Name: 'r1', EventBusName });
    assert.equal((await call(e.DescribeRuleCommand, { Name: 'r1', EventBusName })).State, 'DISABLED');
    await call(e.EnableRuleCommand, { Name: 'r1', EventBusName });
    assert.equal((await call(e.DescribeRuleCommand, { Name: 'r1', EventBusName })).State, 'ENABLED');
    await refused(events, new e.DeleteRuleCommand({ Name: 'r1', EventBusName }), 'ValidationException');
    const removed = await call(e.RemoveTargetsCommand, { Rule: 'r1', EventBusName, Ids: ['t', 't1', 't2', 't3'] });
    assert.equal(removed.FailedEntryCount, 0);
    await call(e.DeleteRuleCommand, { Name: 'r1', EventBusName });
    await refused(events, new e.DescribeRuleCommand({ Name: 'r1', EventBusName }), e.ResourceNotFoundException);
    const bad = new e.PutRuleCommand({ Name: 'bad', EventBusName, EventPattern: '{"source":"shop"}' });
    await refused(events, bad, e.InvalidEventPatternException);
  });

  it('test patterns', async () => {
    const Event = JSON.stringify({
      id: '1', account, source: 'shop', time: '2026-01-01T00:00:00Z', region: 'us-east-1', resources: [], 'detail-type': 'order', detail: { total: 7 },
    });
    const test = async (total) => (await call(e.TestEventPatternCommand, { Event, EventPattern: JSON.stringify({ detail: { total } }) })).Result;
    assert.deepEqual([await test([{ numeric: ['<', 8] }]), await test([{ 'anything-but': [7] }])], [true, false]);
    await refused(events, new e.TestEventPatternCommand({ Event, EventPattern: '{' }), e.InvalidEventPatternException);
  });

  it('route events to queues', async () => {
    const bus = await newBus();
    const [whole, made, dead, gone] = await Promise.all([newQueue(), newQueue(), newQueue(), newQueue()]);
    await newRule(bus, { Arn: whole.arn }, 'whole');
    const InputTransformer = { InputPathsMap: { n: '$.detail.n' }, InputTemplate: '"order <n>"' };
    await newRule(bus, { Arn: made.arn, InputTransformer }, 'made');
    await newRule(bus, { Arn: `${gone.arn}-absent`, DeadLetterConfig: { Arn: dead.arn } }, 'gone');
    const [id] = await put(bus, { n: 41 });
    const event = JSON.parse((await take(whole)).Body);
    assert.deepEqual([event.id, event.source, event['detail-type'], event.detail], [id, 'shop', 'order', { n: 41 }]);
    assert.equal((await take(made)).Body, '"order 41"');
    const lost = await take(dead);
    assert.equal(JSON.parse(lost.Body).id, id);
    assert.equal(lost.MessageAttributes.ERROR_CODE.StringValue, 'NO_RESOURCE');
    const mixed = await call(e.PutEventsCommand, { Entries: [entry(bus, {}), { ...entry(bus, {}), Detail: 'not JSON' }] });
    assert.deepEqual([mixed.FailedEntryCount, mixed.Entries[1].ErrorCode], [1, 'MalformedDetail']);
    assert.equal(JSON.parse((await take(whole)).Body).id, mixed.Entries[0].EventId);
    await empty(whole);
  });

  it('push to API destinations', async () => {
    const bus = await newBus();
    const endpoint = await receiver();
    const Name = name();
    const key = (value) => ({ ApiKeyAuthParameters: { ApiKeyName: 'x-key', ApiKeyValue: value } });
    const made = { Name, AuthorizationType: 'API_KEY', AuthParameters: key('one') };
    const { ConnectionArn } = await call(e.CreateConnectionCommand, made);
    await refused(events, new e.CreateConnectionCommand(made), e.ResourceAlreadyExistsException);
    const to = { Name, ConnectionArn, InvocationEndpoint: endpoint.url, HttpMethod: 'POST', InvocationRateLimitPerSecond: 300 };
    const { ApiDestinationArn: Arn } = await call(e.CreateApiDestinationCommand, to);
    await newRule(bus, { Arn, HttpParameters: { HeaderParameters: { 'x-n': '$.detail.n' } } });
    const [id] = await put(bus, { n: 1 });
    const got = await endpoint.wait('the event', (x) => x.headers['x-n'] === '1');
    assert.deepEqual([JSON.parse(got.body).id, got.headers['x-key']], [id, 'one']);
    await call(e.UpdateConnectionCommand, { Name, AuthParameters: key('two') });
    await call(e.UpdateApiDestinationCommand, { Name, Description: 'd' });
    await put(bus, { n: 2 });
    assert.equal((await endpoint.wait('the next', (x) => x.headers['x-n'] === '2')).headers['x-key'], 'two');
    const shown = await call(e.DescribeConnectionCommand, { Name });
    assert.deepEqual([shown.ConnectionState, shown.AuthParameters.ApiKeyAuthParameters], ['AUTHORIZED', { ApiKeyName: 'x-key' }]);
    const destination = await call(e.DescribeApiDestinationCommand, { Name });
    assert.deepEqual([destination.ApiDestinationArn, destination.ApiDestinationState, destination.Description], [Arn, 'ACTIVE', 'd']);
    assert.equal((await pages(e.ListConnectionsCommand, { NamePrefix: Name, Limit: 1 }, 'Connections')).flat()[0].ConnectionArn, ConnectionArn);
    assert.equal((await pages(e.ListApiDestinationsCommand, { ConnectionArn }, 'ApiDestinations')).flat()[0].Name, Name);
    assert.match((await call(e.DeauthorizeConnectionCommand, { Name })).ConnectionState, /^DEAUTHORIZ/);
    await call(e.DeleteApiDestinationCommand, { Name });
    await call(e.DeleteConnectionCommand, { Name });
    await refused(events, new e.DescribeApiDestinationCommand({ Name }), e.ResourceNotFoundException);
    await refused(events, new e.DescribeConnectionCommand({ Name }), e.ResourceNotFoundException);
  });

  it('archive events and replay them', async () => {
    const bus = await newBus();
    const ArchiveName = name();
    const { ArchiveArn } = await call(e.CreateArchiveCommand, { ArchiveName, EventSourceArn: bus.Arn });
    await put(bus, { n: 1 });
    const counted = (n) => eventually('events are archived', async () => (await call(e.DescribeArchiveCommand, { ArchiveName })).EventCount === n);
    await counted(1);
    await call(e.UpdateArchiveCommand, { ArchiveName, RetentionDays: 2 });
    assert.equal((await pages(e.ListArchivesCommand, { NamePrefix: ArchiveName }, 'Archives')).flat()[0].RetentionDays, 2);
    const queue = await newQueue();
    const rule = await newRule(bus, { Arn: queue.arn });
    const replay = (ReplayName) => ({
      ReplayName,
      EventSourceArn: ArchiveArn,
      EventStartTime: new Date(Date.now() - 3_600_000),
      EventEndTime: new Date(Date.now() + 3_600_000),
      Destination: { Arn: bus.Arn, FilterArns: [rule] },
    });
    const ReplayName = name();
    await call(e.StartReplayCommand, replay(ReplayName));
    await refused(events, new e.StartReplayCommand(replay(ReplayName)), e.ResourceAlreadyExistsException);
    assert.equal(JSON.parse((await take(queue)).Body)['replay-name'], ReplayName);
    const is = (n, state) =>
      eventually(`${n} is ${state}`, async () => (await call(e.DescribeReplayCommand, { ReplayName: n })).State === state);
    await is(ReplayName, 'COMPLETED');
    assert.equal((await pages(e.ListReplaysCommand, { NamePrefix: ReplayName }, 'Replays')).flat()[0].EventSourceArn, ArchiveArn);
    await refused(events, new e.CancelReplayCommand({ ReplayName }), e.IllegalStatusException);
    // Events enough that a replay is still under way when it is cancelled.
    for (let i = 0; i < 20; i++) await put(bus, ...Array.from({ length: 10 }, (_, k) => ({ i, k, pad: 'x'.repeat(2000) })));
    for (let tries = 0; ; tries++) {
      const next = name();
      await call(e.StartReplayCommand, replay(next));
      const cancelled = await call(e.CancelReplayCommand, { ReplayName: next }).catch((error) => error);
      if (!(cancelled instanceof Error)) {
        await is(next, 'CANCELLED');
        break;
      }
      assert.ok(cancelled instanceof e.IllegalStatusException && tries < 50, `${cancelled}`);
      await is(next, 'COMPLETED');
    }
    await call(e.DeleteArchiveCommand, { ArchiveName });
    await refused(events, new e.DescribeArchiveCommand({ ArchiveName }), e.ResourceNotFoundException);
  });
});

'use strict';
// What a program with the AWS SDK for JavaScript v3 does with EventBridge Scheduler.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const c = require('@aws-sdk/client-scheduler');
const { account, connect, empty, eventually, name, newQueue, refused, take } = require('./common.cjs');

const scheduler = connect(c.SchedulerClient, 'scheduler');
const RoleArn = `arn:aws:iam::${account}:role/schedules`;
const FlexibleTimeWindow = { Mode: 'OFF' };
const at = (ms) => `at(${new Date(Date.now() + ms).toISOString().slice(0, 19)})`;
const pages = async (paginate, input, pageSize, key) => {
  const got = [];
  for await (const page of paginate({ client: scheduler, pageSize }, input)) got.push(page[key].map((x) => x.Name));
  assert.ok(got.every((page) => page.length <= pageSize));
  return got.flat().sort();
};

describe('schedules', { concurrency: true }, () => {
  it('have groups', async () => {
    const Name = name();
    const { ScheduleGroupArn: ResourceArn } = await scheduler.send(
      new c.CreateScheduleGroupCommand({ Name, Tags: [{ Key: 'team', Value: 'a b' }] }),
    );
    await refused(scheduler, new c.CreateScheduleGroupCommand({ Name }), c.ConflictException);
    const got = await scheduler.send(new c.GetScheduleGroupCommand({ Name }));
    assert.deepEqual([got.Arn, got.State], [ResourceArn, 'ACTIVE']);
    assert.ok(Math.abs(got.CreationDate - Date.now()) < 60_000);
    await scheduler.send(new c.TagResourceCommand({ ResourceArn, Tags: [{ Key: 'b', Value: '2' }] }));
    await scheduler.send(new c.UntagResourceCommand({ ResourceArn, TagKeys: ['team'] }));
    assert.deepEqual((await scheduler.send(new c.ListTagsForResourceCommand({ ResourceArn }))).Tags, [{ Key: 'b', Value: '2' }]);
    for (let i = 0; i < 4; i++) await scheduler.send(new c.CreateScheduleGroupCommand({ Name: `${Name}-${i}` }));
    const want = [Name, ...[0, 1, 2, 3].map((i) => `${Name}-${i}`)];
    assert.deepEqual(await pages(c.paginateListScheduleGroups, { NamePrefix: Name }, 2, 'ScheduleGroups'), want);
    await scheduler.send(new c.DeleteScheduleGroupCommand({ Name }));
    const after = await scheduler.send(new c.GetScheduleGroupCommand({ Name })).catch((e) => e);
    assert.ok(after instanceof c.ResourceNotFoundException || after.State === 'DELETING', `${after.State ?? after}`);
    await refused(scheduler, new c.GetScheduleGroupCommand({ Name: 'absent' }), c.ResourceNotFoundException);
  });

  it('are made, changed, listed and deleted', async () => {
    const queue = await newQueue();
    const GroupName = name();
    await scheduler.send(new c.CreateScheduleGroupCommand({ Name: GroupName }));
    const StartDate = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    const made = {
      Name: 'nightly',
      GroupName,
      ScheduleExpression: 'cron(0 3 ? * MON-FRI *)',
      ScheduleExpressionTimezone: 'Europe/Paris',
      StartDate,
      State: 'DISABLED',
      FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      Target: { Arn: queue.arn, RoleArn, Input: '{}', RetryPolicy: { MaximumEventAgeInSeconds: 600, MaximumRetryAttempts: 3 } },
    };
    const { ScheduleArn } = await scheduler.send(new c.CreateScheduleCommand(made));
    const get = new c.GetScheduleCommand({ Name: 'nightly', GroupName });
    const got = await scheduler.send(get);
    assert.equal(got.Arn, ScheduleArn);
    for (const [key, value] of Object.entries(made)) assert.deepEqual(got[key], value, key);
    const changed = await scheduler.send(new c.UpdateScheduleCommand({ ...made, State: 'ENABLED', ScheduleExpression: 'rate(2 hours)' }));
    assert.equal(changed.ScheduleArn, ScheduleArn);
    assert.equal((await scheduler.send(get)).ScheduleExpression, 'rate(2 hours)');
    const plain = { GroupName, FlexibleTimeWindow, Target: { Arn: queue.arn, RoleArn } };
    const want = ['s0', 's1', 's2', 's3', 's4'];
    for (const Name of want) await scheduler.send(new c.CreateScheduleCommand({ Name, ScheduleExpression: at(86_400_000), ...plain }));
    assert.deepEqual(await pages(c.paginateListSchedules, { GroupName, NamePrefix: 's' }, 2, 'Schedules'), want);
    await refused(scheduler, new c.CreateScheduleCommand({ Name: 's0', ScheduleExpression: 'rate(1 minute)', ...plain }), c.ConflictException);
    const bad = new c.CreateScheduleCommand({ Name: 'bad', ScheduleExpression: 'rate(0 minutes)', ...plain });
    await refused(scheduler, bad, c.ValidationException);
    await scheduler.send(new c.DeleteScheduleCommand({ Name: 'nightly', GroupName }));
    await refused(scheduler, get, c.ResourceNotFoundException);
  });

  it('fire, and are deleted when they are complete', async () => {
    const [plain, fifo] = await Promise.all([newQueue(), newQueue({ FifoQueue: 'true' })]);
    const Name = name();
    const targets = {
      plain: { Arn: plain.arn, Input: '<aws.scheduler.attempt-number>' },
      fifo: { Arn: fifo.arn, Input: 'in order', SqsParameters: { MessageGroupId: 'g' } },
    };
    for (const [kind, target] of Object.entries(targets)) {
      await scheduler.send(
        new c.CreateScheduleCommand({
          Name: `${Name}-${kind}`,
          ScheduleExpression: at(-1000),
          FlexibleTimeWindow,
          ActionAfterCompletion: 'DELETE',
          Target: { RoleArn, ...target },
        }),
      );
    }
    assert.equal((await take(plain)).Body, '1');
    assert.equal((await take(fifo)).Body, 'in order');
    const list = new c.ListSchedulesCommand({ NamePrefix: Name });
    await eventually('the schedules are gone', async () => (await scheduler.send(list)).Schedules.length === 0);
    await empty(plain);
    await empty(fifo);
  });
});

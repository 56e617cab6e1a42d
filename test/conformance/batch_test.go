package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

type sendEntry = types.SendMessageBatchRequestEntry

func entry(id, body string) sendEntry { return sendEntry{Id: &id, MessageBody: &body} }

func sendBatch(t *testing.T, url string, entries ...sendEntry) (*sqs.SendMessageBatchOutput, error) {
	t.Helper()
	if entries == nil {
		entries = []sendEntry{} // the SDK refuses nil itself
	}
	return client(t).SendMessageBatch(bound(t), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
}

func TestBatches(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	var entries []sendEntry
	for i := range 10 {
		e := entry(fmt.Sprintf("id-%d_%s", i, strings.Repeat("x", 70)), fmt.Sprint("body ", i))
		if i == 3 {
			e.MessageAttributes = map[string]types.MessageAttributeValue{"k": str("v")}
		}
		entries = append(entries, e)
	}
	out, err := sendBatch(t, url, entries...)
	if err != nil || len(out.Successful) != 10 || len(out.Failed) != 0 {
		t.Fatalf("SendMessageBatch = %+v, %v", out, err)
	}
	byID := map[string]types.SendMessageBatchResultEntry{}
	for _, r := range out.Successful {
		byID[*r.Id] = r
	}
	for i, e := range entries {
		r := byID[*e.Id]
		if aws.ToString(r.MD5OfMessageBody) != md5Hex(*e.MessageBody) || aws.ToString(r.MessageId) == "" || (r.MD5OfMessageAttributes != nil) != (i == 3) {
			t.Errorf("entry %d: %+v", i, r)
		}
	}
	got := receive(t, c, url, upTo(10), wait(1))
	if len(got) != 10 {
		t.Fatalf("received %d, want 10", len(got))
	}

	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	var deletes []types.DeleteMessageBatchRequestEntry
	for i, m := range got {
		id, handle := aws.String(fmt.Sprint("m", i)), m.ReceiptHandle
		if i == 4 {
			handle = aws.String("nonsense")
		}
		changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: handle, VisibilityTimeout: 600})
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: handle})
	}
	changes[5].VisibilityTimeout = 43201
	changed, err := c.ChangeMessageVisibilityBatch(bound(t), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: changes})
	if err != nil || len(changed.Successful) != 8 || len(changed.Failed) != 2 {
		t.Fatalf("ChangeMessageVisibilityBatch = %+v, %v; want 8 and 2", changed, err)
	}
	for _, f := range changed.Failed {
		want := map[string]string{"m4": codeBadReceipt, "m5": codeBadValue}[*f.Id]
		if *f.Code != want || !f.SenderFault || aws.ToString(f.Message) == "" {
			t.Errorf("failed entry %s: %s %v %q, want %s", *f.Id, *f.Code, f.SenderFault, aws.ToString(f.Message), want)
		}
	}
	deleted, err := c.DeleteMessageBatch(bound(t), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
	if err != nil || len(deleted.Successful) != 9 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != codeBadReceipt {
		t.Fatalf("DeleteMessageBatch = %+v, %v; want 9 and 1", deleted, err)
	}
	wantCounts(t, c, url, "0", "1", "0")
}

func TestBatchRefusedWhole(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	var eleven []sendEntry
	for i := range 11 {
		eleven = append(eleven, entry(fmt.Sprint(i), "x"))
	}
	half := strings.Repeat("x", mebibyte/2)
	_, err := sendBatch(t, url)
	wantError[*types.EmptyBatchRequest](t, err, codeEmptyBatch)
	_, err = sendBatch(t, url, eleven...)
	wantError[*types.TooManyEntriesInBatchRequest](t, err, codeManyEntries)
	_, err = sendBatch(t, url, entry("a", "x"), entry("b", "x"), entry("a", "y"))
	wantError[*types.BatchEntryIdsNotDistinct](t, err, codeSameIDs)
	_, err = sendBatch(t, url, entry("a", half), entry("b", half+"x"))
	wantError[*types.BatchRequestTooLong](t, err, codeLongBatch)
	for _, id := range []string{"", "a b", "a:b", "größe", strings.Repeat("x", 81)} {
		_, err = sendBatch(t, url, entry("ok", "x"), entry(id, "x"))
		wantError[*types.InvalidBatchEntryId](t, err, codeBadID)
	}
	wantCounts(t, c, url, "0", "0", "0")
	if out, err := sendBatch(t, url, entry("a", half), entry("b", half)); err != nil || len(out.Successful) != 2 {
		t.Errorf("a batch of exactly 1 MiB = %+v, %v", out, err)
	}

	var deletes []types.DeleteMessageBatchRequestEntry
	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	for i := range 11 {
		id, h := aws.String(fmt.Sprint(i)), aws.String("AQEB")
		deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: id, ReceiptHandle: h})
		changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: id, ReceiptHandle: h})
	}
	_, err = c.DeleteMessageBatch(bound(t), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes})
	wantError[*types.TooManyEntriesInBatchRequest](t, err, codeManyEntries)
	_, err = c.ChangeMessageVisibilityBatch(bound(t), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: changes})
	wantError[*types.TooManyEntriesInBatchRequest](t, err, codeManyEntries)
	_, err = c.DeleteMessageBatch(bound(t), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: []types.DeleteMessageBatchRequestEntry{}})
	wantError[*types.EmptyBatchRequest](t, err, codeEmptyBatch)
	_, err = c.ChangeMessageVisibilityBatch(bound(t), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{}})
	wantError[*types.EmptyBatchRequest](t, err, codeEmptyBatch)
	deletes[1].Id = deletes[0].Id
	_, err = c.DeleteMessageBatch(bound(t), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: deletes[:2]})
	wantError[*types.BatchEntryIdsNotDistinct](t, err, codeSameIDs)
}

// A bad entry fails alone; the others are sent.
func TestBatchEntriesFailAlone(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, nil)
	late := entry("late", "x")
	late.DelaySeconds = 901
	out, err := sendBatch(t, url, entry("good", "fine"), entry("chars", "\x01"), late, entry("good2", "fine"))
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 2 {
		t.Fatalf("SendMessageBatch = %+v, %v; want 2 sent and 2 failed", out, err)
	}
	for _, f := range out.Failed {
		want := map[string]string{"chars": codeBadContents, "late": codeBadValue}[*f.Id]
		if *f.Code != want || !f.SenderFault {
			t.Errorf("failed entry %s: %s, sender's fault %v; want %s", *f.Id, *f.Code, f.SenderFault, want)
		}
	}
	wantCounts(t, c, url, "2", "0", "0")
}

func TestFIFOBatchKeepsOrder(t *testing.T) {
	t.Parallel()
	c := client(t)
	url := queue(t, c, attrs{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	var want []string
	for b := range 3 {
		var entries []sendEntry
		for i := range 10 {
			e := entry(fmt.Sprint("e", 9-i), fmt.Sprintf("%d-%d", b, i))
			e.MessageGroupId = aws.String("g")
			entries = append(entries, e)
			want = append(want, *e.MessageBody)
		}
		out, err := sendBatch(t, url, entries...)
		if err != nil || len(out.Successful) != 10 {
			t.Fatalf("SendMessageBatch = %+v, %v", out, err)
		}
		for _, r := range out.Successful {
			if aws.ToString(r.SequenceNumber) == "" {
				t.Errorf("entry %s has no sequence number", *r.Id)
			}
		}
	}
	for i := 0; i < 30; i += 10 {
		got := receive(t, c, url, upTo(10), wait(5))
		wantBodies(t, got, want[i:i+10]...)
		remove(t, c, url, got...)
	}
}

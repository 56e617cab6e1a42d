package sqs

import (
	"context"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/awsapi/characters"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// discard is Messages that does nothing, so that a benchmark shows the
// translation alone.
type discard struct {
	messages
	results  [10]partition.SendResult
	received []partition.Received
	errs     [10]error
}

func (d *discard) Send(_ context.Context, _ *registry.Queue, msgs []partition.Message) ([]partition.SendResult, error) {
	return d.results[:len(msgs)], nil
}

func (d *discard) Receive(context.Context, *registry.Queue, partition.ReceiveOptions) ([]partition.Received, error) {
	return d.received, nil
}

func (d *discard) Delete(_ context.Context, _ *registry.Queue, receipts []string) ([]error, error) {
	return d.errs[:len(receipts)], nil
}

var body = strings.Repeat("It was the best of times, it was the worst of times. ", 20)[:1024]

func benchmarkEnv(b *testing.B) (*env, string) {
	e := newEnv(b)
	url := e.make(b, "orders")
	e.newID = func() partition.MessageID { return partition.MessageID(protocol.NewUUID()) }
	e.service.msgs = &discard{received: []partition.Received{dead()}}
	b.ReportAllocs()
	b.ResetTimer()
	return e, url
}

func BenchmarkSendMessage(b *testing.B) {
	e, url := benchmarkEnv(b)
	in := &sendMessageInput{QueueUrl: url, MessageBody: body}
	c := as(account)
	for b.Loop() {
		if _, err := e.sendMessage(context.Background(), c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSendMessageWithAttributes(b *testing.B) {
	e, url := benchmarkEnv(b)
	in := &sendMessageInput{QueueUrl: url, MessageBody: body, MessageAttributes: map[string]attributeValue{
		"type": text("order"), "tenant": text("acme"), "version": {DataType: "Number", StringValue: ptr("3")},
	}}
	c := as(account)
	for b.Loop() {
		if _, err := e.sendMessage(context.Background(), c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceiveMessage(b *testing.B) {
	e, url := benchmarkEnv(b)
	in := &receiveInput{QueueUrl: url}
	c := as(account)
	for b.Loop() {
		if _, err := e.receiveMessage(context.Background(), c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceiveMessageWithAttributes(b *testing.B) {
	e, url := benchmarkEnv(b)
	in := &receiveInput{QueueUrl: url, AttributeNames: []string{"All"}, MessageAttributeNames: []string{"All"}}
	c := as(account)
	for b.Loop() {
		if _, err := e.receiveMessage(context.Background(), c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeleteMessage(b *testing.B) {
	e, url := benchmarkEnv(b)
	in := &deleteMessageInput{QueueUrl: url, ReceiptHandle: "r"}
	c := as(account)
	for b.Loop() {
		if _, err := e.deleteMessage(context.Background(), c, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBadCharacter(b *testing.B) {
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if characters.Bad(body) >= 0 {
			b.Fatal("refused")
		}
	}
}

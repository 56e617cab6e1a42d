package protocols

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	kin "github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinschemas "github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	kintypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	lam "github.com/aws/aws-sdk-go-v2/service/lambda"
	lamtypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	ns "github.com/aws/aws-sdk-go-v2/service/sns"
	nstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go/transport/http/protocol/rpcv2"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

var key = credentials.NewStaticCredentialsProvider("test", "test", "")

// bound is the test's context.
func bound(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// serve serves the tables, with HTTP/2 where the client can.
func serve(t *testing.T, apis ...*protocol.API) *httptest.Server {
	t.Helper()
	open, err := access.New(access.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := protocol.NewHandler(protocol.Config{APIs: apis, Access: open})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// wantError checks an error's type and message.
func wantError[T error](t *testing.T, err error, message string) {
	t.Helper()
	var typed T
	if !errors.As(err, &typed) || !strings.Contains(err.Error(), message) {
		t.Errorf("error %v, want a %T with %q", err, typed, message)
	}
}

// TestKinesis: JSON 1.1 and, as the SDK's clients can be given another protocol, RPC
// v2 CBOR; event streams over HTTP/2.
func TestKinesis(t *testing.T) {
	t.Parallel()
	s := serve(t, kinesis())
	for _, name := range []string{"JSON 1.1", "RPC v2 CBOR"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := bound(t)
			client := kin.New(kin.Options{BaseEndpoint: &s.URL, Region: "eu-west-1", Credentials: key, HTTPClient: s.Client()}, func(o *kin.Options) {
				if name == "RPC v2 CBOR" {
					o.Protocol = rpcv2.NewCBOR(kinschemas.Kinesis_20131202)
				}
			})
			out, err := client.GetRecords(ctx, &kin.GetRecordsInput{ShardIterator: aws.String("i"), Limit: aws.Int32(2)})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Records) != 1 || string(out.Records[0].Data) != "a\x00ä" || !out.Records[0].ApproximateArrivalTimestamp.Equal(at) || *out.MillisBehindLatest != 7 || *out.NextShardIterator != "i+" {
				t.Errorf("GetRecords: %+v", out)
			}
			it, err := client.GetShardIterator(ctx, &kin.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("1"), ShardIteratorType: "AT_TIMESTAMP", Timestamp: &at})
			if err != nil || *it.ShardIterator != at.Format(time.RFC3339Nano) {
				t.Errorf("GetShardIterator: %+v, %v", it, err)
			}
			put, err := client.PutRecords(ctx, &kin.PutRecordsInput{StreamName: aws.String("s"), Records: []kintypes.PutRecordsRequestEntry{
				{Data: []byte("1"), PartitionKey: aws.String("a")}, {Data: []byte("2"), PartitionKey: aws.String("b")}}})
			if err != nil || *put.FailedRecordCount != 1 || len(put.Records) != 2 || *put.Records[1].ShardId != "b" || *put.Records[1].SequenceNumber != "2" {
				t.Errorf("PutRecords: %+v, %v", put, err)
			}
			_, err = client.PutRecord(ctx, &kin.PutRecordInput{StreamName: aws.String("none"), Data: []byte("x"), PartitionKey: aws.String("k")})
			wantError[*kintypes.ResourceNotFoundException](t, err, "There is no stream none.")

			subscribe := func(shard string) (*kin.SubscribeToShardOutput, error) {
				return client.SubscribeToShard(ctx, &kin.SubscribeToShardInput{ConsumerARN: aws.String("arn:c"), ShardId: &shard,
					StartingPosition: &kintypes.StartingPosition{Type: "AT_TIMESTAMP", Timestamp: &at}})
			}
			for _, shard := range []string{"0", "busy"} {
				sub, err := subscribe(shard)
				if err != nil {
					t.Fatal(err)
				}
				n := int64(0)
				for e := range sub.GetStream().Events() {
					v := e.(*kintypes.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
					if *v.MillisBehindLatest != n || len(v.Records) != 1 || !v.Records[0].ApproximateArrivalTimestamp.Equal(at) {
						t.Errorf("event %d: %+v", n, v)
					}
					n++
				}
				if n != 3 {
					t.Errorf("%d events, want 3", n)
				}
				if err := sub.GetStream().Err(); shard == "busy" {
					wantError[*kintypes.ResourceInUseException](t, err, "Another one reads.")
				} else if err != nil {
					t.Error(err)
				}
				_ = sub.GetStream().Close()
			}
			_, err = subscribe("none")
			wantError[*kintypes.ResourceNotFoundException](t, err, "There is no stream")
		})
	}
}

func TestLambda(t *testing.T) {
	t.Parallel()
	var tagged map[string]string
	s := serve(t, lambda(&tagged))
	ctx := bound(t)
	client := lam.New(lam.Options{BaseEndpoint: &s.URL, Region: "eu-west-1", Credentials: key, HTTPClient: s.Client()})

	out, err := client.Invoke(ctx, &lam.InvokeInput{FunctionName: aws.String("f ä/x"), Qualifier: aws.String("1&2"), ClientContext: aws.String("e30="), Payload: []byte(`{"a": 1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 200 || *out.FunctionError != "Unhandled" || *out.ExecutedVersion != "1&2" || string(out.Payload) != `e30={"a": 1}` {
		t.Errorf("Invoke: %+v, %s", out, out.Payload)
	}
	if out, err = client.Invoke(ctx, &lam.InvokeInput{FunctionName: aws.String("f"), InvocationType: "Event"}); err != nil || out.StatusCode != 202 || len(out.Payload) != 0 {
		t.Errorf("asynchronous: %+v, %v", out, err)
	}
	_, err = client.Invoke(ctx, &lam.InvokeInput{FunctionName: aws.String("none")})
	wantError[*lamtypes.ResourceNotFoundException](t, err, "Function not found: none")
	var typed *lamtypes.ResourceNotFoundException
	if errors.As(err, &typed) && aws.ToString(typed.Type) != "User" {
		t.Errorf("the error's own member: %+v", typed)
	}

	zip := strings.Repeat("zip", 1<<20)
	made, err := client.CreateFunction(ctx, &lam.CreateFunctionInput{FunctionName: aws.String("f"), Role: aws.String("arn:r"), MemorySize: aws.Int32(128),
		Code: &lamtypes.FunctionCode{ZipFile: []byte(zip)}, Environment: &lamtypes.Environment{Variables: map[string]string{"K": "ä\n"}}})
	if err != nil || string(made.Runtime) != zip || *made.MemorySize != 128 || made.Environment.Variables["K"] != "ä\n" {
		t.Errorf("CreateFunction: %v", err)
	}
	pages := lam.NewListFunctionsPaginator(client, &lam.ListFunctionsInput{MaxItems: aws.Int32(1)})
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	if strings.Join(names, " ") != "a a/ä+" {
		t.Errorf("ListFunctions: %q", names)
	}
	const arn = "arn:aws:lambda:eu-west-1:000000000000:function:f"
	if _, err := client.TagResource(ctx, &lam.TagResourceInput{Resource: aws.String(arn), Tags: map[string]string{"k": "v"}}); err != nil || tagged[arn] != "v" {
		t.Errorf("TagResource: %v, %v", tagged, err)
	}
	if _, err := client.UntagResource(ctx, &lam.UntagResourceInput{Resource: aws.String(arn), TagKeys: []string{"a b", "c"}}); err != nil || tagged[arn] != "a b c" {
		t.Errorf("UntagResource: %v, %v", tagged, err)
	}
	if _, err := client.DeleteFunction(ctx, &lam.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil {
		t.Errorf("DeleteFunction: %v", err)
	}
	_, err = client.DeleteFunction(ctx, &lam.DeleteFunctionInput{FunctionName: aws.String("none")})
	wantError[*lamtypes.ResourceNotFoundException](t, err, "none")

	stream, err := client.InvokeWithResponseStream(ctx, &lam.InvokeWithResponseStreamInput{FunctionName: aws.String("f"), Payload: []byte("one,two,three")})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.GetStream().Close()
	var got []string
	for e := range stream.GetStream().Events() {
		switch e := e.(type) {
		case *lamtypes.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			got = append(got, string(e.Value.Payload))
		case *lamtypes.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			got = append(got, *e.Value.ErrorCode)
		}
	}
	if err := stream.GetStream().Err(); err != nil || strings.Join(got, " ") != "one two three Late" || *stream.ExecutedVersion != "7" || stream.StatusCode != 200 {
		t.Errorf("stream: %q, %+v, %v", got, stream, err)
	}
}

func TestSNS(t *testing.T) {
	t.Parallel()
	s := serve(t, sns())
	ctx := bound(t)
	client := ns.New(ns.Options{BaseEndpoint: &s.URL, Region: "eu-west-1", Credentials: key, HTTPClient: s.Client()})
	out, err := client.Publish(ctx, &ns.PublishInput{TopicArn: aws.String("arn:t"), Message: aws.String("m&ä+ %"), MessageAttributes: map[string]nstypes.MessageAttributeValue{
		"s": {DataType: aws.String("String"), StringValue: aws.String("=x")}, "b": {DataType: aws.String("Binary"), BinaryValue: []byte("\x01")}}})
	if err != nil || *out.MessageId != "m&ä+ %=x" {
		t.Errorf("Publish: %+v, %v", out, err)
	}
	batch, err := client.PublishBatch(ctx, &ns.PublishBatchInput{TopicArn: aws.String("arn:t"), PublishBatchRequestEntries: []nstypes.PublishBatchRequestEntry{
		{Id: aws.String("1"), Message: aws.String("a")}, {Id: aws.String("2"), Message: aws.String("")}}})
	if err != nil || len(batch.Successful) != 1 || *batch.Successful[0].MessageId != "a" || len(batch.Failed) != 1 || *batch.Failed[0].Code != "InvalidParameter" {
		t.Errorf("PublishBatch: %+v, %v", batch, err)
	}
	attrs, err := client.GetTopicAttributes(ctx, &ns.GetTopicAttributesInput{TopicArn: aws.String("arn:t")})
	if err != nil || attrs.Attributes["Policy"] != `{"<&>": "ä"}`+"\r\n" || attrs.Attributes["TopicArn"] != "arn:t" {
		t.Errorf("GetTopicAttributes: %+v, %v", attrs, err)
	}
	_, err = client.Publish(ctx, &ns.PublishInput{TopicArn: aws.String("arn:none"), Message: aws.String("m")})
	wantError[*nstypes.NotFoundException](t, err, "Topic does not exist")
}

func TestCloudWatch(t *testing.T) {
	t.Parallel()
	var put []metric
	s := serve(t, cloudwatch(&put))
	ctx := bound(t)
	// The SDK compresses bodies of 10 KiB and more.
	client := cw.New(cw.Options{BaseEndpoint: &s.URL, Region: "eu-west-1", Credentials: key, HTTPClient: s.Client(), RequestMinCompressSizeBytes: 10240})
	out, err := client.GetMetricStatistics(ctx, &cw.GetMetricStatisticsInput{Namespace: aws.String("N"), MetricName: aws.String("M"), StartTime: &at,
		EndTime: aws.Time(at.Add(time.Hour)), Period: aws.Int32(60), Statistics: []cwtypes.Statistic{"Average"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Datapoints) != 2 || *out.Label != "M" || *out.Datapoints[0].Average != 7.5 || !out.Datapoints[0].Timestamp.Equal(at) || out.Datapoints[0].Sum != nil {
		t.Errorf("GetMetricStatistics: %+v", out)
	}
	_, err = client.GetMetricStatistics(ctx, &cw.GetMetricStatisticsInput{Namespace: aws.String("N"), MetricName: aws.String("M"), StartTime: &at,
		EndTime: &at, Period: aws.Int32(1), Statistics: []cwtypes.Statistic{"Sum"}})
	wantError[*cwtypes.InvalidParameterCombinationException](t, err, "Too many.")
	data := make([]cwtypes.MetricDatum, 500)
	for i := range data {
		data[i] = cwtypes.MetricDatum{MetricName: aws.String("metric of some length"), Timestamp: &at, Value: aws.Float64(float64(i) / 3),
			Dimensions: []cwtypes.Dimension{{Name: aws.String("n"), Value: aws.String("v")}}, Values: []float64{1, 0.5}}
	}
	if _, err := client.PutMetricData(ctx, &cw.PutMetricDataInput{Namespace: aws.String("N"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
	if len(put) != 500 || *put[499].Value != 499.0/3 || !put[499].Timestamp.Equal(at) || put[499].Dimensions[0].Value != "v" || put[499].Values[1] != 0.5 {
		t.Errorf("PutMetricData: %d metrics", len(put))
	}
}

// TestUnknownPath: what no API answers to is told in the dialect of the caller.
func TestUnknownPath(t *testing.T) {
	t.Parallel()
	var tagged map[string]string
	s := serve(t, lambda(&tagged))
	r, err := http.NewRequestWithContext(bound(t), "GET", s.URL+"/2015-03-31/nothing", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00")
	w, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != 404 || w.Header.Get("X-Amzn-Errortype") != "UnknownOperationException" || w.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", w.StatusCode, w.Header)
	}
}

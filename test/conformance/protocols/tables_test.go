package protocols

import (
	"context"
	"strings"
	"time"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// at is a time with milliseconds, which every format of the protocols used here keeps.
var at = time.UnixMilli(1772366400250).UTC()

type record struct {
	Data                        []byte
	PartitionKey                string
	SequenceNumber              string
	ApproximateArrivalTimestamp time.Time
}

type putRecordInput struct {
	StreamName   string
	Data         []byte
	PartitionKey string
}

type putRecordOutput struct{ ShardId, SequenceNumber string }

type putRecordsInput struct {
	StreamName string
	Records    []struct {
		Data         []byte
		PartitionKey string
	}
}

type putRecordsOutput struct {
	FailedRecordCount int32
	Records           []putRecordsResult
}

type putRecordsResult struct{ SequenceNumber, ShardId, ErrorCode, ErrorMessage string }

type getIteratorInput struct {
	StreamName, ShardId, ShardIteratorType string
	Timestamp                              *time.Time
}

type getIteratorOutput struct{ ShardIterator string }

type getRecordsInput struct {
	ShardIterator string
	Limit         *int32
}

type getRecordsOutput struct {
	Records            []record
	MillisBehindLatest int64
	NextShardIterator  string
}

type subscribeInput struct {
	ConsumerARN, ShardId string
	StartingPosition     struct {
		Type      string
		Timestamp *time.Time
	}
}

type shardEvents struct {
	SubscribeToShardEvent *shardEvent
}

type shardEvent struct {
	Records                    []record `aws:",keep"`
	ContinuationSequenceNumber string
	MillisBehindLatest         int64
}

func noStream(name string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "There is no stream " + name + "."}
}

// kinesis keeps nothing: it answers from what it is asked.
func kinesis() *protocol.API {
	return &protocol.API{
		Name: "kinesis", Title: "Kinesis", Version: "2013-12-02", Target: "Kinesis_20131202", JSON: "1.1", CBOR: true, RPC: "Kinesis_20131202",
		Operations: []protocol.Operation{
			protocol.Op("GetRecords", func(_ context.Context, _ *protocol.Call, in *getRecordsInput) (*getRecordsOutput, error) {
				if in.Limit == nil || *in.Limit != 2 {
					return nil, &protocol.Error{Code: "InvalidArgumentException", Message: "Limit must be 2."}
				}
				return &getRecordsOutput{MillisBehindLatest: 7, NextShardIterator: in.ShardIterator + "+",
					Records: []record{{Data: []byte("a\x00ä"), PartitionKey: "k", SequenceNumber: "1", ApproximateArrivalTimestamp: at}}}, nil
			}),
			protocol.Op("GetShardIterator", func(_ context.Context, _ *protocol.Call, in *getIteratorInput) (*getIteratorOutput, error) {
				return &getIteratorOutput{ShardIterator: in.Timestamp.Format(time.RFC3339Nano)}, nil
			}),
			protocol.Op("PutRecord", func(_ context.Context, _ *protocol.Call, in *putRecordInput) (*putRecordOutput, error) {
				if in.StreamName == "none" {
					return nil, noStream(in.StreamName)
				}
				return &putRecordOutput{ShardId: in.PartitionKey, SequenceNumber: string(in.Data)}, nil
			}),
			protocol.Op("PutRecords", func(_ context.Context, _ *protocol.Call, in *putRecordsInput) (*putRecordsOutput, error) {
				out := &putRecordsOutput{FailedRecordCount: 1}
				for _, r := range in.Records {
					out.Records = append(out.Records, putRecordsResult{ShardId: r.PartitionKey, SequenceNumber: string(r.Data)})
				}
				return out, nil
			}),
			protocol.Stream("SubscribeToShard", func(_ context.Context, _ *protocol.Call, in *subscribeInput) (*protocol.Empty, protocol.Events[shardEvents], error) {
				if in.ShardId == "none" {
					return nil, nil, noStream(in.ConsumerARN)
				}
				return nil, func(ctx context.Context, send func(*shardEvents) error) error {
					for i := range 3 {
						e := &shardEvent{ContinuationSequenceNumber: strings.Repeat("+", i), MillisBehindLatest: int64(i)}
						if in.StartingPosition.Timestamp != nil {
							e.Records = []record{{Data: []byte("x"), PartitionKey: in.StartingPosition.Type, SequenceNumber: "1", ApproximateArrivalTimestamp: *in.StartingPosition.Timestamp}}
						}
						if err := send(&shardEvents{SubscribeToShardEvent: e}); err != nil {
							return err
						}
					}
					if in.ShardId == "busy" {
						return &protocol.Error{Code: "ResourceInUseException", Message: "Another one reads."}
					}
					return nil
				}, nil
			}, protocol.TimeLimit(5*time.Minute)),
		},
	}
}

type invokeInput struct {
	FunctionName   string `http:"label"`
	InvocationType string `http:"header=X-Amz-Invocation-Type"`
	ClientContext  string `http:"header=X-Amz-Client-Context"`
	Qualifier      string `http:"query"`
	Payload        []byte `http:"payload"`
}

type invokeOutput struct {
	StatusCode      int32  `http:"status"`
	FunctionError   string `http:"header=X-Amz-Function-Error"`
	ExecutedVersion string `http:"header=X-Amz-Executed-Version"`
	Payload         []byte `http:"payload"`
}

type streamEvents struct {
	PayloadChunk   *payloadChunk
	InvokeComplete *invokeComplete
}

type payloadChunk struct {
	Payload []byte `http:"payload"`
}

type invokeComplete struct{ ErrorCode, ErrorDetails string }

type listFunctionsInput struct {
	Marker   *string `http:"query"`
	MaxItems *int32  `http:"query"`
}

type function struct {
	FunctionName, Runtime string
	MemorySize            int32
	Environment           *struct{ Variables map[string]string }
}

type listFunctionsOutput struct {
	NextMarker string
	Functions  []function `aws:",keep"`
}

type createInput struct {
	FunctionName, Role string
	Code               struct{ ZipFile []byte }
	Environment        *struct{ Variables map[string]string }
	MemorySize         *int32
}

type tagInput struct {
	Resource string `http:"label"`
	Tags     map[string]string
}

type untagInput struct {
	Resource string   `http:"label"`
	TagKeys  []string `http:"query=tagKeys"`
}

type deleteInput struct {
	FunctionName string `http:"label"`
	Qualifier    string `http:"query"`
}

// fault is the members of Lambda's errors.
type fault struct{ Type, Message string }

func noFunction(name string) *protocol.Error {
	return &protocol.Error{Code: "ResourceNotFoundException", Status: 404, Detail: fault{Type: "User", Message: "Function not found: " + name}}
}

func lambda(tagged *map[string]string) *protocol.API {
	return &protocol.API{
		Name: "lambda", Title: "Lambda", Version: "2015-03-31", REST: true, MaxBody: 70 << 20,
		Operations: []protocol.Operation{
			protocol.Op("CreateFunction", func(_ context.Context, _ *protocol.Call, in *createInput) (*function, error) {
				return &function{FunctionName: in.FunctionName, Runtime: string(in.Code.ZipFile), MemorySize: *in.MemorySize, Environment: in.Environment}, nil
			}, protocol.At("POST", "/2015-03-31/functions", 201)),
			protocol.Op("DeleteFunction", func(_ context.Context, _ *protocol.Call, in *deleteInput) (*protocol.Empty, error) {
				if in.FunctionName == "none" {
					return nil, noFunction(in.FunctionName)
				}
				return nil, nil
			}, protocol.At("DELETE", "/2015-03-31/functions/{FunctionName}", 204)),
			protocol.Op("Invoke", func(_ context.Context, _ *protocol.Call, in *invokeInput) (*invokeOutput, error) {
				switch {
				case in.FunctionName == "none":
					return nil, noFunction(in.FunctionName)
				case in.InvocationType == "Event":
					return &invokeOutput{StatusCode: 202, ExecutedVersion: in.Qualifier}, nil
				}
				return &invokeOutput{StatusCode: 200, FunctionError: "Unhandled", ExecutedVersion: in.Qualifier, Payload: append([]byte(in.ClientContext), in.Payload...)}, nil
			}, protocol.At("POST", "/2015-03-31/functions/{FunctionName}/invocations", 0)),
			protocol.Stream("InvokeWithResponseStream", func(_ context.Context, _ *protocol.Call, in *invokeInput) (*invokeOutput, protocol.Events[streamEvents], error) {
				return &invokeOutput{StatusCode: 200, ExecutedVersion: "7"}, func(_ context.Context, send func(*streamEvents) error) error {
					for part := range strings.SplitSeq(string(in.Payload), ",") {
						if err := send(&streamEvents{PayloadChunk: &payloadChunk{Payload: []byte(part)}}); err != nil {
							return err
						}
					}
					return send(&streamEvents{InvokeComplete: &invokeComplete{ErrorCode: "Late"}})
				}, nil
			}, protocol.At("POST", "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", 0)),
			protocol.Op("ListFunctions", func(_ context.Context, _ *protocol.Call, in *listFunctionsInput) (*listFunctionsOutput, error) {
				if in.Marker == nil {
					return &listFunctionsOutput{Functions: []function{{FunctionName: "a", MemorySize: *in.MaxItems}}, NextMarker: "a/ä+"}, nil
				}
				return &listFunctionsOutput{Functions: []function{{FunctionName: *in.Marker}}}, nil
			}, protocol.At("GET", "/2015-03-31/functions", 0)),
			protocol.Op("TagResource", func(_ context.Context, _ *protocol.Call, in *tagInput) (*protocol.Empty, error) {
				*tagged = map[string]string{in.Resource: in.Tags["k"]}
				return nil, nil
			}, protocol.At("POST", "/2017-03-31/tags/{Resource}", 204)),
			protocol.Op("UntagResource", func(_ context.Context, _ *protocol.Call, in *untagInput) (*protocol.Empty, error) {
				*tagged = map[string]string{in.Resource: strings.Join(in.TagKeys, " ")}
				return nil, nil
			}, protocol.At("DELETE", "/2017-03-31/tags/{Resource}", 204)),
		},
	}
}

type attributeValue struct {
	DataType    string
	StringValue string
	BinaryValue []byte
}

type publishInput struct {
	TopicArn, Message string
	MessageAttributes map[string]attributeValue `query:",,Name,Value"`
}

type publishOutput struct{ MessageId, SequenceNumber string }

type publishBatchInput struct {
	TopicArn                   string
	PublishBatchRequestEntries []struct{ Id, Message string }
}

type publishBatchOutput struct {
	Successful []struct{ Id, MessageId string } `aws:",keep"`
	Failed     []struct{ Id, Code, Message string }
}

type topicAttributesInput struct{ TopicArn string }

type topicAttributesOutput struct{ Attributes map[string]string }

func sns() *protocol.API {
	return &protocol.API{
		Name: "sns", Title: "Simple Notification Service", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Operations: []protocol.Operation{
			protocol.Op("GetTopicAttributes", func(_ context.Context, _ *protocol.Call, in *topicAttributesInput) (*topicAttributesOutput, error) {
				return &topicAttributesOutput{Attributes: map[string]string{"TopicArn": in.TopicArn, "Policy": `{"<&>": "ä"}` + "\r\n"}}, nil
			}),
			protocol.Op("Publish", func(_ context.Context, _ *protocol.Call, in *publishInput) (*publishOutput, error) {
				if strings.HasSuffix(in.TopicArn, ":none") {
					return nil, &protocol.Error{Code: "NotFoundException", QueryCode: "NotFound", Status: 404, Message: "Topic does not exist"}
				}
				return &publishOutput{MessageId: in.Message + in.MessageAttributes["s"].StringValue, SequenceNumber: string(in.MessageAttributes["b"].BinaryValue)}, nil
			}),
			protocol.Op("PublishBatch", func(_ context.Context, _ *protocol.Call, in *publishBatchInput) (*publishBatchOutput, error) {
				out := &publishBatchOutput{}
				for _, e := range in.PublishBatchRequestEntries {
					if e.Message == "" {
						out.Failed = append(out.Failed, struct{ Id, Code, Message string }{e.Id, "InvalidParameter", "Empty."})
					} else {
						out.Successful = append(out.Successful, struct{ Id, MessageId string }{e.Id, e.Message})
					}
				}
				return out, nil
			}),
		},
	}
}

type metric struct {
	MetricName string
	Dimensions []struct{ Name, Value string }
	Timestamp  *time.Time
	Value      *float64
	Values     []float64
	Unit       string
}

type putMetricsInput struct {
	Namespace  string
	MetricData []metric
}

type statisticsInput struct {
	Namespace, MetricName string
	StartTime, EndTime    time.Time
	Period                int32
	Statistics            []string
}

type datapoint struct {
	Timestamp    time.Time
	Average, Sum *float64
	Unit         string
}

type statisticsOutput struct {
	Label      string
	Datapoints []datapoint
}

func cloudwatch(put *[]metric) *protocol.API {
	return &protocol.API{
		Name: "monitoring", Title: "CloudWatch", Version: "2010-08-01", RPC: "GraniteServiceVersion20100801", QueryErrorHeader: true,
		Target: "GraniteServiceVersion20100801", JSON: "1.0", Namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Operations: []protocol.Operation{
			protocol.Op("GetMetricStatistics", func(_ context.Context, _ *protocol.Call, in *statisticsInput) (*statisticsOutput, error) {
				if in.Period == 1 {
					return nil, &protocol.Error{Code: "InvalidParameterCombinationException", QueryCode: "InvalidParameterCombination", Message: "Too many."}
				}
				f := float64(in.Period) / 8
				return &statisticsOutput{Label: in.MetricName, Datapoints: []datapoint{
					{Timestamp: in.StartTime, Average: &f, Unit: in.Statistics[0]}, {Timestamp: in.EndTime, Sum: &f},
				}}, nil
			}),
			protocol.Op("PutMetricData", func(_ context.Context, _ *protocol.Call, in *putMetricsInput) (*protocol.Empty, error) {
				*put = in.MetricData
				return nil, nil
			}),
		},
	}
}

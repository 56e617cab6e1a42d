package sqs

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func (e *env) permit(url, label string, accounts, actions []string) error {
	_, err := e.addPermission(context.Background(), as(account), &addPermissionInput{QueueUrl: url, Label: label, AWSAccountIds: accounts, Actions: actions})
	return err
}

// The texts are recordings of the real service.
func TestPermissionLifecycle(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	remove := func(label string) error {
		_, err := e.removePermission(context.Background(), as(account), &removePermissionInput{QueueUrl: url, Label: label})
		return err
	}
	policy := func() string { return e.show(t, url, "Policy")["Policy"] }
	const (
		head = `{"Version":"2008-10-17","Id":"arn:aws:sqs:us-east-1:123456789012:orders/SQSDefaultPolicy","Statement":[`
		one  = `{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"SQS:ReceiveMessage","Resource":"arn:aws:sqs:us-east-1:123456789012:orders"}`
		two  = `{"Sid":"two","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root","arn:aws:iam::123456789012:root"]},"Action":["SQS:SendMessage","SQS:DeleteMessage"],"Resource":"arn:aws:sqs:us-east-1:123456789012:orders"}`
	)
	wantError(t, remove("one"), "InvalidParameterValue", "Value one for parameter Label is invalid. Reason: can't find label.")
	wantError(t, e.permit(url, "one", []string{other}, []string{"ReceiveMessage"}), "", "")
	if got := policy(); got != head+one+"]}" {
		t.Errorf("one: %s", got)
	}
	wantError(t, e.permit(url, "one", []string{other}, []string{"SendMessage"}), "InvalidParameterValue", "Value one for parameter Label is invalid. Reason: Already exists.")
	wantError(t, e.permit(url, "two", []string{other, account}, []string{"SendMessage", "DeleteMessage"}), "", "")
	if got := policy(); got != head+one+","+two+"]}" {
		t.Errorf("two: %s", got)
	}
	wantError(t, remove("three"), "InvalidParameterValue", "Value three for parameter Label is invalid. Reason: can't find label on existing policy.")
	wantError(t, remove(""), "MissingParameter", "The request must contain the parameter Label.")
	wantError(t, remove("one"), "", "")
	wantError(t, remove("two"), "", "")
	if got := e.show(t, url, "Policy"); len(got) != 0 {
		t.Errorf("after the last was removed: %v", got)
	}
}

func TestPermissionKeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	statement := `{"Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`
	url := e.make(t, "orders", "Policy", `{"Version":"2012-10-17","Statement":`+statement+`}`)
	wantError(t, e.permit(url, "one", []string{other}, []string{"*"}), "", "")
	want := `{"Version":"2012-10-17","Statement":[` + statement + `,{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"SQS:*","Resource":"arn:aws:sqs:us-east-1:123456789012:orders"}]}`
	if got := e.show(t, url, "Policy")["Policy"]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPermissionRefusals(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	url := e.make(t, "orders")
	one, send := []string{other}, []string{"SendMessage"}
	tests := []struct {
		label             string
		accounts, actions []string
		code, message     string
	}{
		{"", one, send, "MissingParameter", "The request must contain the parameter Label."},
		{"a b", one, send, "InvalidParameterValue", "Value a b for parameter Label is invalid. …"},
		{"l", one, nil, "MissingParameter", "The request must contain the parameter ActionName."},
		{"l", nil, send, "MissingParameter", "The request must contain the parameter AWSAccountIds."},
		{"l", one, []string{"SendMessageBatch"}, "InvalidParameterValue", "Value SQS:SendMessageBatch for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions."},
		{"l", one, []string{"CreateQueue"}, "InvalidParameterValue", "Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action."},
		{"l", one, make([]string, 8), "OverLimit", "8 Actions were found, maximum allowed is 7."},
		{"l", make([]string, 51), send, "OverLimit", "51 Principals were found, maximum allowed is 50."},
		{"l", []string{"somebody"}, send, "InvalidParameterValue", "Value [somebody] for parameter PrincipalId is invalid. Reason: Unable to verify."},
	}
	for _, tt := range tests {
		wantError(t, e.permit(url, tt.label, tt.accounts, tt.actions), tt.code, tt.message)
	}
	for i := range 20 {
		wantError(t, e.permit(url, "label"+strconv.Itoa(i), one, send), "", "")
	}
	err := e.permit(url, "label20", one, send)
	wantError(t, err, "OverLimit", "21 Statements were found, maximum allowed is 20.")
	if status(err) != 403 {
		t.Errorf("status %d", status(err))
	}
	policy := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(`{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"},`, 21) +
		`{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`
	wantError(t, e.set(url, "Policy", policy), "OverLimit", "22 statements were found in the submitted policy, max allowed is 20")
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	identity := func(doc string) *access.Policy {
		p, err := access.ParsePolicy([]byte(doc), access.Identity)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	limited := as(account)
	limited.Principal.ARN, limited.Principal.UserID = "arn:aws:iam::"+account+":user/orders", "orders"
	limited.Principal.Policy = identity(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:*:orders"}]}`)

	// with is a user who is allowed these actions.
	with := func(actions ...string) *protocol.Call {
		c := as(account)
		c.Principal.ARN = "arn:aws:iam::" + account + ":user/some"
		c.Principal.Policy = identity(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`)
		return c
	}

	e := newEnv(t)
	e.make(t, "dlq")
	url := e.make(t, "orders", "RedrivePolicy", `{"deadLetterTargetArn":"`+arnPrefix+`dlq","maxReceiveCount":3}`)
	shared := e.make(t, "shared", "Policy", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"`+other+`"},"Action":["sqs:SendMessage","sqs:DeleteQueue","sqs:GetQueueUrl"],"Resource":"*"},
		{"Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"*"}]}`)
	public := e.make(t, "public", "Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`)
	far := anonymous()
	far.SourceIP = "192.0.2.1"

	ctx := context.Background()
	send := func(c *protocol.Call, url string) error {
		_, err := e.sendMessage(ctx, c, &sendMessageInput{QueueUrl: url, MessageBody: "x"})
		return err
	}
	tests := []struct {
		name string
		err  error
		code string
	}{
		{"own queue", send(as(account), url), ""},
		{"other's queue", send(as(other), url), "AccessDenied"},
		{"unsigned", send(anonymous(), url), "MissingAuthenticationToken"},
		{"allowed by the queue", send(as(other), shared), ""},
		{"unsigned, not anyone's queue", send(anonymous(), shared), "MissingAuthenticationToken"},
		{"unsigned, anyone's queue", send(anonymous(), public), ""},
		{"unsigned, condition", send(far, public), "MissingAuthenticationToken"},
		{"allowed by the user's policy", send(limited, url), ""},
		{"not allowed by the user's policy", func() error {
			_, err := e.receiveMessage(ctx, limited, &receiveInput{QueueUrl: url})
			return err
		}(), "AccessDenied"},
		{"user's policy and a queue to come", func() error {
			_, err := e.createQueue(ctx, limited, &createQueueInput{QueueName: "orders"})
			return err
		}(), "AccessDenied"},
		{"user's policy and all queues", func() error {
			_, err := e.listQueues(ctx, limited, &listQueuesInput{})
			return err
		}(), "AccessDenied"},
		{"create with tags, not allowed to tag", func() error {
			_, err := e.createQueue(ctx, with("sqs:CreateQueue"), &createQueueInput{QueueName: "tagged", Tags: map[string]string{"a": "b"}})
			return err
		}(), "AccessDenied"},
		{"create with tags", func() error {
			_, err := e.createQueue(ctx, with("sqs:CreateQueue", "sqs:TagQueue"), &createQueueInput{QueueName: "tagged", Tags: map[string]string{"a": "b"}})
			return err
		}(), ""},
		{"move, not allowed all that it does", func() error {
			_, err := e.startMove(ctx, with("sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SendMessage"), &startMoveInput{SourceArn: arnPrefix + "dlq"})
			return err
		}(), "AccessDenied"},
		{"move", func() error {
			_, err := e.startMove(ctx, with("sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"), &startMoveInput{SourceArn: arnPrefix + "dlq"})
			return err
		}(), ""},
		{"unsigned create", func() error {
			_, err := e.createQueue(ctx, anonymous(), &createQueueInput{QueueName: "orders"})
			return err
		}(), "MissingAuthenticationToken"},
		{"explicit deny, even the owner", func() error {
			_, err := e.purgeQueue(ctx, as(account), &queueInput{QueueUrl: shared})
			return err
		}(), "AccessDenied"},
		{"owner only, whatever the queue says", func() error {
			_, err := e.deleteQueue(ctx, as(other), &queueInput{QueueUrl: shared})
			return err
		}(), "AccessDenied"},
		{"another account's URL", func() error {
			_, err := e.getQueueURL(ctx, as(other), &getQueueURLInput{QueueName: "shared", QueueOwnerAWSAccountId: account})
			return err
		}(), ""},
		{"moves are the owner's", func() error {
			_, err := e.startMove(ctx, as(other), &startMoveInput{SourceArn: arnPrefix + "dlq"})
			return err
		}(), "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, tt.err, tt.code, "…") })
	}
}

package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/waystation/waystation/test/harness"
)

// TestCredentialsOfAnotherNode: what one node has issued another takes, also after
// both were started anew.
func TestCredentialsOfAnotherNode(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(keys, []byte(`{keys: [{key: AKOWNER, secret: owner-secret, account: "111111111111", user: owner}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	nats := harness.StartNATS(t)
	p := startNodes(t, nats.URL(), "--keys", keys)
	issue := sts.New(sts.Options{Region: harness.Region, BaseEndpoint: aws.String(p.nodes["a"].URL()), HTTPClient: harness.HTTP(),
		Credentials: credentials.NewStaticCredentialsProvider("AKOWNER", "owner-secret", "")})
	out, err := issue.GetSessionToken(bound(t, 20*time.Second), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	temporary := func(o *sqs.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	}
	take := func() {
		t.Helper()
		for name, node := range p.nodes {
			if _, err := harness.SQS(node.URL(), temporary).ListQueues(bound(t, 20*time.Second), &sqs.ListQueuesInput{}); err != nil {
				t.Errorf("node %s: %v", name, err)
			}
		}
	}
	take()
	for _, node := range p.nodes {
		if _, err := node.Stop(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range p.nodes {
		if err := node.Again(); err != nil {
			t.Fatal(err)
		}
	}
	take()
}

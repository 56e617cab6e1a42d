package crash

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// tornMessages are sent before the damage, one after the other, so that each is
// in an append of its own.
const tornMessages = 30

func tornBody(i int) string {
	return fmt.Sprintf("message %03d %s", i, strings.Repeat(string(rune('a'+i%26)), 200))
}

// damaged says what to a server means that its log is broken.
var damaged = regexp.MustCompile(`(?i)corrupt|damage|torn|checksum|missing|gap|cut short`)

// TestTornFiles damages the end or the middle of the log of a killed server.
// The server may lose what the damage hit at the very end (a torn write), never
// anything before it; it may refuse to serve and say why; it must not serve
// anything that was not sent, nor skip anything in silence.
func TestTornFiles(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		damage func(data []byte) []byte
		lose   int // messages that may be gone
	}{
		"nothing":    {func(d []byte) []byte { return d }, 0},
		"cut by 1":   {func(d []byte) []byte { return d[:len(d)-1] }, 1},
		"cut by 50":  {func(d []byte) []byte { return d[:len(d)-50] }, 1},
		"cut by 300": {func(d []byte) []byte { return d[:len(d)-300] }, 2},
		"zeros at the end": {func(d []byte) []byte {
			clear(d[len(d)-40:])
			return d
		}, 1},
		"garbage behind the end": {func(d []byte) []byte {
			return append(d, bytes.Repeat([]byte("garbage"), 100)...)
		}, 0},
		"zeros behind the end": {func(d []byte) []byte { return append(d, make([]byte, 4096)...) }, 0},
		"a byte of a message": {func(d []byte) []byte {
			d[bytes.Index(d, []byte("message 010"))+20] ^= 0x20
			return d
		}, 0},
		"a message's place": {func(d []byte) []byte {
			at := bytes.Index(d, []byte("message 010"))
			copy(d[at-40:], bytes.Repeat([]byte{0xff}, 80))
			return d
		}, 0},
	} {
		t.Run(what, func(t *testing.T) {
			s := harness.Start(t, harness.Options{Ready: 15 * time.Second})
			c := harness.SQS(s.URL())
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("torn")})
			if err != nil {
				t.Fatal(err)
			}
			for i := range tornMessages {
				if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String(tornBody(i))}); err != nil {
					t.Fatal(err)
				}
			}
			s.Kill()
			path := newestBlock(t, s.Data())
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, test.damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Again(); err != nil {
				if test.lose == 0 && what == "nothing" || !damaged.MatchString(err.Error()) {
					t.Errorf("the server did not start, and does not say that its log is damaged: %v", err)
				}
				return
			}
			got, err := readAll(ctx, c, *out.QueueUrl)
			if err != nil {
				if !harness.Poll(ctx, 10*time.Millisecond, func() bool { return damaged.MatchString(s.Output()) }) {
					t.Errorf("the server started, then receives failed (%v) without a word about damage:\n%s", err, s.Output())
				}
				return
			}
			missing := 0
			for i := range tornMessages {
				switch n := got[tornBody(i)]; {
				case n == 0 && i < tornMessages-test.lose:
					t.Errorf("message %d is gone in silence", i)
				case n == 0:
					missing++
				case n > 1:
					t.Errorf("message %d was delivered %d times", i, n)
				}
				delete(got, tornBody(i))
			}
			for body := range got {
				t.Errorf("delivered what nobody sent: %q", body)
			}
			t.Logf("recovered, %d lost", missing)
			if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String("after")}); err != nil {
				t.Errorf("a send after the recovery: %v", err)
			}
			if after, err := readAll(ctx, c, *out.QueueUrl); err != nil || after["after"] != 1 {
				t.Errorf("after the recovery: %v, %v", after, err)
			}
		})
	}
}

// readAll receives until the queue is empty and counts the bodies.
func readAll(ctx context.Context, c *sqs.Client, url string) (map[string]int, error) {
	got := map[string]int{}
	for {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			return got, err
		}
		if len(out.Messages) == 0 {
			return got, nil
		}
		for _, m := range out.Messages {
			got[*m.Body]++
		}
	}
}

// newestBlock is the file of the log that was written last; definitions and
// leases have logs of their own.
func newestBlock(t *testing.T, data string) string {
	t.Helper()
	newest, at := "", time.Time{}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" || !strings.Contains(path, "_journal_") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(at) {
			newest, at = path, info.ModTime()
		}
		return err
	})
	if err != nil || newest == "" {
		t.Fatalf("no block file under %s: %v", data, err)
	}
	return newest
}

package crash

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/test/harness"
)

// TestDamagedDefinitions flips, cuts and removes the files of the definitions of a
// server that is stopped. It must refuse to serve and name the next step; with the intact
// files put back every message is there; and `waystation repair` brings the queues
// and their messages back without them.
func TestDamagedDefinitions(t *testing.T) {
	t.Parallel()
	const queues = 5
	change := func(f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			path := filepath.Join(folder, "msgs", "1.blk")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, damage := range map[string]func(*testing.T, string){
		"a byte flipped": change(func(d []byte) []byte { d[len(d)/2] ^= 0x04; return d }),
		"cut by 100":     change(func(d []byte) []byte { return d[:len(d)-100] }),
		"gone":           func(t *testing.T, folder string) { os.RemoveAll(folder) },
	} {
		t.Run(what, func(t *testing.T) {
			s := harness.Start(t, harness.Options{Ready: 15 * time.Second})
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			c := harness.SQS(s.URL())
			var urls []string
			for i := range queues {
				out, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprint("defined-", i))})
				if err != nil {
					t.Fatal(err)
				}
				urls = append(urls, *out.QueueUrl)
				if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String(fmt.Sprint("message ", i))}); err != nil {
					t.Fatal(err)
				}
			}
			if code, err := s.Stop(30 * time.Second); code != 0 || err != nil {
				t.Fatal(code, err)
			}
			intact := filepath.Join(t.TempDir(), "intact")
			if err := os.CopyFS(intact, os.DirFS(s.Data())); err != nil {
				t.Fatal(err)
			}
			damage(t, definitionsFolder(t, s.Data()))

			err := s.Again()
			if err == nil || !strings.Contains(err.Error(), "waystation repair") {
				t.Fatalf("it did not refuse with the next step: %v", err)
			}
			s.Kill()

			all := func(how string) {
				t.Helper()
				for i, url := range urls {
					got, err := readAll(ctx, c, url)
					if err != nil || got[fmt.Sprint("message ", i)] != 1 || len(got) != 1 {
						t.Errorf("%s, queue %d: %v %v", how, i, got, err)
					}
				}
			}
			refused := filepath.Join(t.TempDir(), "refused")
			if err := os.Rename(s.Data(), refused); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(s.Data(), os.DirFS(intact)); err != nil {
				t.Fatal(err)
			}
			if err := s.Again(); err != nil {
				t.Fatalf("with the intact files: %v", err)
			}
			all("with the intact files")
			s.Kill()

			if err := os.RemoveAll(s.Data()); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(refused, s.Data()); err != nil {
				t.Fatal(err)
			}
			out, code, err := harness.Run(ctx, "repair", "--data", s.Data())
			if err != nil || code != 0 || !strings.Contains(out, "Definitions now: ") {
				t.Fatal(code, err, out)
			}
			if err := s.Again(); err != nil {
				t.Fatalf("repaired: %v", err)
			}
			all("repaired")
		})
	}
}

// definitionsFolder is where an embedded server keeps the stream of the definitions.
func definitionsFolder(t *testing.T, data string) (folder string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "ws_registry" {
			folder = path
		}
		return err
	})
	if err != nil || folder == "" {
		t.Fatal("no definitions under", data, err)
	}
	return folder
}

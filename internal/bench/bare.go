package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The bare handler is the yardstick for "how much of what net/http can do is
// left": it reads the request whole and writes an answer of the given size, and
// nothing else. It runs in a process of its own, as the server under test does.

const bareReady = "bare handler at "

// serveBare runs the bare handler until ctx ends and says on out where.
func serveBare(ctx context.Context, out io.Writer, addr string, answer int) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: bareHandler(answer), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(out, "%shttp://%s\n", bareReady, ln.Addr())
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bareHandler answers every request with a JSON object of the given size.
func bareHandler(size int) http.Handler {
	text := []byte(`{"MessageId":"` + strings.Repeat("0", max(0, size-len(`{"MessageId":""}`))) + `"}`)
	length := strconv.Itoa(len(text))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", length)
		h.Set("X-Amzn-Requestid", "00000000-0000-0000-0000-000000000000")
		w.Write(text)
	})
}

// startBare starts this program again as a bare handler and returns its URL
// and process.
func startBare(ctx context.Context, answer int) (url string, pid int, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, "bench", "--serve-bare", "127.0.0.1:0", "--bare-answer", strconv.Itoa(answer))
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return "", 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return "", 0, nil, fmt.Errorf("starting the bare handler: %w", err)
	}
	stop = func() { cancel(); cmd.Wait() }
	line, err := bufio.NewReader(pipe).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), bareReady)
	if err != nil || !ok {
		stop()
		return "", 0, nil, fmt.Errorf("the bare handler did not start: %q", line)
	}
	return url, cmd.Process.Pid, stop, nil
}

// probe sends one message and returns the size of the answer's body, which the
// bare handler shall have, too.
func probe(ctx context.Context, r *round) (size int, err error) {
	_, err = r.withQueue(ctx, false, func(q *queue) (*Result, error) {
		body := appendSend(nil, q.text, r.opt.Size, time.Now(), 1, 0, false)
		status, answer, err := r.admin.do(ctx, "SendMessage", body, 0)
		if err == nil && status != 200 {
			err = errors.New(errorCode(status, answer, nil))
		}
		size = len(answer)
		return nil, err
	})
	return size, err
}

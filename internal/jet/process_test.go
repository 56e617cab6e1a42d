package jet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helper is this test binary in a process of its own. It says things line by
// line, and is told things in the same way.
type helper struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startHelper(t *testing.T, part, dir string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+part, "JET_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{t, cmd, in, make(chan string, 100)}
	go func() {
		defer close(h.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		h.signal(syscall.SIGCONT)
		in.Close()
		for range h.lines {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("helper %s: %v", part, err)
		}
	})
	return h
}

func (h *helper) signal(s syscall.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		h.t.Fatal(err)
	}
}

// hears waits for the helper's next line, which must begin with want.
func (h *helper) hears(want string) string {
	h.t.Helper()
	select {
	case line, ok := <-h.lines:
		rest, found := strings.CutPrefix(line, want)
		if !ok || !found {
			h.t.Fatalf("helper said %q, want %q", line, want)
		}
		return rest
	case <-time.After(30 * time.Second):
		h.t.Fatalf("helper did not say %q", want)
		return ""
	}
}

// play is what a helper does.
func play(part string) int {
	told := bufio.NewScanner(os.Stdin)
	cfg := Config{Dir: os.Getenv("JET_TEST_DIR"), AckTimeout: 500 * time.Millisecond}
	if part == "server" {
		cfg.Listen = "127.0.0.1:0"
	}
	ctx := context.Background()
	c, err := Open(ctx, cfg)
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	defer c.Close()
	if part == "server" {
		fmt.Println(c.ListenURL())
		for told.Scan() {
		}
		return 0
	}
	s, err := c.Stream(ctx, StreamSpec{Name: "s", Subject: "s"})
	if err != nil {
		fmt.Println("stream:", err)
		return 1
	}
	if part == "full" {
		return playFull(c, s, told)
	}
	return playFrozen(s)
}

// appendOnce appends after the last entry and waits.
func appendOnce(s *Stream, size int) error {
	last, err := s.Last(context.Background())
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	s.Append(make([]byte, size), "w", last, func(_ uint64, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("never finished")
	}
}

// playFrozen appends without a pause; after it was frozen it must get on.
func playFrozen(s *Stream) int {
	before := time.Now()
	fmt.Println("appending")
	for good := 0; good < 20; {
		err := appendOnce(s, 10_000)
		now := time.Now()
		if now.Sub(before) > time.Second {
			fmt.Println("was frozen")
			good = 1
		} else if err == nil && good > 0 {
			good++
		}
		before = now
		if err != nil && !errors.Is(err, ErrUnavailable) {
			fmt.Println("append:", err)
			return 1
		}
	}
	fmt.Println("got on")
	return 0
}

// playFull meets an end of the space, which is then made larger.
func playFull(c *Conn, s *Stream, told *bufio.Scanner) int {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("getrlimit:", err)
		return 1
	}
	hard := limit
	limit.Cur = 3 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("setrlimit:", err)
		return 1
	}
	stored := 0
	for {
		err := appendOnce(s, 256<<10)
		if err == nil {
			stored++
			continue
		}
		fmt.Println("failed", err)
		break
	}
	hard.Cur = hard.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &hard); err != nil {
		fmt.Println("setrlimit:", err)
		return 1
	}
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		if err := appendOnce(s, 256<<10); err != nil {
			c.waitUp(context.Background(), c.writes)
			continue
		}
		stored++
		last, err := s.Last(context.Background())
		count := 0
		if err == nil {
			err = s.Read(context.Background(), 1, last, func(Entry) error { count++; return nil })
		}
		fmt.Println("got on", err, last == uint64(stored), count == stored, c.Health(context.Background()))
		told.Scan()
		return 0
	}
	fmt.Println("never got on")
	return 1
}

// TestFrozenServer freezes an external server: appends end, and go on after it
// wakes.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	h := startHelper(t, "server", t.TempDir())
	c := open(t, Config{URL: h.hears(""), AckTimeout: 300 * time.Millisecond})
	s := stream(t, c)
	ctx := short(t)
	fill(t, s, 5, 1000)

	h.signal(syscall.SIGSTOP)
	// More than any socket's buffer takes: Append must not wait for it.
	began := time.Now()
	data := make([]byte, 1<<20)
	var pending []<-chan outcome
	for i := range 64 {
		pending = append(pending, start(s, data, "w", 5+uint64(i)))
	}
	if d := time.Since(began); d > 250*time.Millisecond {
		t.Errorf("64 appends took %v to be handed over", d)
	}
	for _, ch := range pending {
		if o := end(t, ch); !errors.Is(o.err, ErrUnavailable) {
			t.Fatalf("%+v", o)
		}
		if len(ch) > 0 {
			t.Fatal("finished twice")
		}
	}
	if _, err := s.Last(ctx); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	h.signal(syscall.SIGCONT)
	for {
		last, err := s.Last(ctx)
		if err == nil {
			if o := end(t, start(s, []byte("x"), "w", last)); o.err == nil {
				break
			} else if !errors.Is(o.err, ErrUnavailable) && !errors.Is(o.err, ErrWrongSequence) {
				t.Fatal(o.err)
			}
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// TestFrozenProcess freezes a process with an embedded server.
func TestFrozenProcess(t *testing.T) {
	t.Parallel()
	h := startHelper(t, "frozen", t.TempDir())
	h.hears("appending")
	h.signal(syscall.SIGSTOP)
	<-time.After(1500 * time.Millisecond) // longer than AckTimeout; this is the freeze itself
	h.signal(syscall.SIGCONT)
	h.hears("was frozen")
	h.hears("got on")
}

// TestWriteError lets writes fail and then succeed again: the embedded server
// is started anew, and nothing acknowledged is lost.
func TestWriteError(t *testing.T) {
	t.Parallel()
	h := startHelper(t, "full", t.TempDir())
	h.hears("failed")
	if got := h.hears("got on "); got != "<nil> true true <nil>" {
		t.Fatal(got)
	}
}

package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// outputKept bounds what is remembered of a process's output: its end.
const outputKept = 128 << 10

// process is one child and what it said.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output tail
	done   chan struct{} // closed once the child is gone
	exit   error         // of Wait; read after done
}

var (
	aliveMu sync.Mutex // guards alive
	alive   = map[*process]struct{}{}
)

// spawn starts a child. Its standard input stays open until close or death of
// this process.
func spawn(path string, args, env []string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout = &p.output
	p.cmd.Stderr = &p.output
	p.cmd.SysProcAttr = dieWithParent()
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("harness: start %s: %w", path, err)
	}
	aliveMu.Lock()
	alive[p] = struct{}{}
	aliveMu.Unlock()
	go func() {
		p.exit = p.cmd.Wait()
		aliveMu.Lock()
		delete(alive, p)
		aliveMu.Unlock()
		close(p.done)
	}()
	return p, nil
}

func (p *process) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the child with SIGKILL and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// end asks with SIGTERM, waits, and returns the exit code.
func (p *process) end(within time.Duration) (code int, err error) {
	if err := p.signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("still running %v after SIGTERM", within)
	}
}

func killAll() {
	aliveMu.Lock()
	left := make([]*process, 0, len(alive))
	for p := range alive {
		left = append(left, p)
	}
	aliveMu.Unlock()
	for _, p := range left {
		p.kill()
	}
}

// tail keeps the end of what is written to it, and notes what no child may say.
type tail struct {
	mu   sync.Mutex // guards kept
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := max(0, len(t.kept)-16) // a word may come in two writes
	t.kept = append(t.kept, b...)
	for _, word := range []string{"panic: ", "panicked", "fatal error: ", "DATA RACE"} {
		if at := bytes.Index(t.kept[from:], []byte(word)); at >= 0 {
			noteDisaster(t.kept[from+at:])
			break
		}
	}
	if over := len(t.kept) - outputKept; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

var disaster struct {
	sync.Mutex
	text string // of the first
}

// noteDisaster remembers that a child panicked. A request that panics is only
// answered with an error that clients may try again, so tests can pass; Main
// fails then.
func noteDisaster(text []byte) {
	disaster.Lock()
	defer disaster.Unlock()
	if disaster.text == "" {
		disaster.text = string(text[:min(len(text), 8<<10)])
	}
}

func disasters() string {
	disaster.Lock()
	defer disaster.Unlock()
	return disaster.text
}

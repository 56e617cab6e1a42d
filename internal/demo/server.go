package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/waystation/waystation"
)

// server is what the demo runs against.
type server interface {
	url() string
	banner() string
	kill(ctx context.Context) error // SIGKILL, and up again on the same folder
	close()
}

func (c *Command) start(ctx context.Context) (server, error) {
	if c.Endpoint != "" {
		return running(c.Endpoint), nil
	}
	dir, err := os.MkdirTemp("", "waystation-demo-")
	if err != nil {
		return nil, err
	}
	var s server
	if c.Kill {
		s, err = startProcess(ctx, dir)
	} else {
		s, err = startEmbedded(ctx, dir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// running is a server of somebody else.
type running string

var errNotOurs = errors.New("the demo did not start this server")

func (r running) url() string                { return string(r) }
func (r running) banner() string             { return "using the server at " + string(r) }
func (r running) kill(context.Context) error { return errNotOurs }
func (r running) close()                     {}

// embedded is a server inside this process.
type embedded struct {
	*waystation.Server
	dir  string
	took time.Duration
}

func startEmbedded(ctx context.Context, dir string) (server, error) {
	began := time.Now()
	s, err := waystation.Start(ctx, waystation.Config{Dir: dir})
	if err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	return &embedded{s, dir, time.Since(began)}, nil
}

func (e *embedded) url() string { return e.URL() }
func (e *embedded) banner() string {
	return fmt.Sprintf("server at %s, started in %v, data in %s", e.URL(), e.took.Round(time.Millisecond), e.dir)
}
func (e *embedded) kill(context.Context) error { return errNotOurs }
func (e *embedded) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	e.Close(ctx)
	os.RemoveAll(e.dir)
}

const (
	closeTime = 10 * time.Second
	readyTime = 30 * time.Second
	readyLook = 20 * time.Millisecond
)

// process is a server in a process of its own, which can be killed.
type process struct {
	dir, addr string
	cmd       *exec.Cmd
	exited    chan struct{}
}

func startProcess(ctx context.Context, dir string) (server, error) {
	// The port has to be the same after the restart, so it is chosen here.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, addr: ln.Addr().String()}
	if err := ln.Close(); err != nil {
		return nil, err
	}
	if err := p.up(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) url() string { return "http://" + p.addr }
func (p *process) banner() string {
	return fmt.Sprintf("server at %s as process %d, data in %s", p.url(), p.cmd.Process.Pid, p.dir)
}

// up starts the server and waits until it is ready.
func (p *process) up(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self, "serve", "--listen", p.addr, "--data", p.dir, "--log-level", "error")
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	cmd, exited := p.cmd, make(chan struct{})
	p.exited = exited
	go func() { cmd.Wait(); close(exited) }()

	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(readyLook)
	defer tick.Stop()
	for {
		if p.ready(ctx, client) {
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("the server ended before it was ready")
		case <-ctx.Done():
			p.down()
			return fmt.Errorf("the server is not ready: %w", ctx.Err())
		}
	}
}

func (p *process) ready(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// down kills the process and waits until it is gone.
func (p *process) down() {
	p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) kill(ctx context.Context) error {
	p.down()
	return p.up(ctx)
}

func (p *process) close() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.exited:
	case <-time.After(closeTime):
		p.down()
	}
	os.RemoveAll(p.dir)
}

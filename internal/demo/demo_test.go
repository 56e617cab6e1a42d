package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"github.com/waystation/waystation"
	"github.com/waystation/waystation/examples/orders"
	"github.com/waystation/waystation/internal/app"
)

// TestMain also plays the server process that --kill kills.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		c := app.Default()
		c.Listen, c.Data = flagAfter("--listen"), flagAfter("--data")
		if err := app.Run(context.Background(), c, app.Options{}); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func flagAfter(name string) string {
	for i, a := range os.Args {
		if a == name && i+1 < len(os.Args) {
			return os.Args[i+1]
		}
	}
	return ""
}

func parse(t *testing.T, args ...string) (*Command, error) {
	t.Helper()
	var cli struct {
		Demo Command `cmd:""`
	}
	k, err := kong.New(&cli, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(append([]string{"demo"}, args...))
	return &cli.Demo, err
}

func TestDemo(t *testing.T) {
	t.Parallel()
	other, err := waystation.Start(t.Context(), waystation.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"embedded", nil, []string{
			"submitted 200 = fulfilled 190 + refused 10, none lost, none charged twice",
			"5 orders in set-aside-stock-dlq:", "3 × MUG-GREEN: product is not in the catalogue",
			"2 orders in authorize-payment-dlq:", "the payment provider was asked again",
			"email-sender    told 198 customers; of 198 payments announced since it subscribed none missing",
			"sms-sender      told 190 customers; of 190 payments announced since it subscribed none missing",
			"loyalty-points subscribes to the topic, while everything goes on", "loyalty-points  told 1",
		}},
		{"killed", []string{"--kill", "-n", "60"}, []string{
			"killing the server", "the server is back on the same folder",
			"email-sender    told 58 customers; of 58 payments announced since it subscribed none missing",
			"submitted 60 = fulfilled 56 + refused 4, none lost, none charged twice",
		}},
		{"running server", []string{"-n", "20", "--endpoint", other.URL()}, []string{
			"using the server at", "submitted 20 = fulfilled 18 + refused 2, none lost, none charged twice",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := parse(t, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := c.Run(t.Context(), &out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Error("terminal codes in output that is no terminal")
			}
		})
	}
}

// onText calls f when text is written.
type onText struct {
	bytes.Buffer
	text string
	f    func()
}

func (o *onText) Write(p []byte) (int, error) {
	if strings.Contains(string(p), o.text) {
		o.f()
	}
	return o.Buffer.Write(p)
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	c, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &onText{text: "orders come in", f: cancel}
	if err := c.Run(ctx, out); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if text := out.String(); !strings.Contains(text, "handled") || !strings.Contains(text, "Broken off after") || strings.Contains(text, "lost") {
		t.Errorf("output:\n%s", text)
	}
}

func TestDemoGivesUp(t *testing.T) {
	t.Parallel()
	c, err := parse(t, "--timeout", "300ms")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Run(t.Context(), &out); err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "--timeout") {
		t.Errorf("got %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-n", "0"}, {"-n", "1000000"}, {"--workers", "0"}, {"--kill", "--endpoint", "http://127.0.0.1:1"}, {"--timeout", "0s"},
	} {
		if _, err := parse(t, args...); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestBalanceLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		b    orders.Balance
		want string
	}{
		{orders.Balance{Submitted: 3, Fulfilled: 2, Refused: 1}, "submitted 3 = fulfilled 2 + refused 1, none lost, none charged twice"},
		{orders.Balance{Submitted: 3, Fulfilled: 2, Lost: 1}, "submitted 3 ≠ fulfilled 2 + refused 0, 1 lost, none charged twice"},
		{orders.Balance{Submitted: 1, Fulfilled: 1, ChargedTwice: 1}, "submitted 1 = fulfilled 1 + refused 0, none lost, 1 charged twice"},
		{orders.Balance{Submitted: 1, Refused: 1, Unpaid: 2, ChargedInVain: 1},
			"submitted 1 = fulfilled 0 + refused 1, none lost, none charged twice, 2 fulfilled without payment, 1 charged in vain"},
	}
	for _, tt := range tests {
		if got := balanceLine(tt.b); got != tt.want {
			t.Errorf("got %q", got)
		}
	}
}

func TestScreenOnTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &screen{w: &out, terminal: true}
	s.update("1 %")
	s.update("2 %")
	s.line("done %d", 1)
	s.clear()
	if got := out.String(); got != "\r\x1b[K1 %\r\x1b[K2 %\r\x1b[Kdone 1\n" {
		t.Errorf("%q", got)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	var list []time.Duration
	for i := 100; i > 0; i-- {
		list = append(list, time.Duration(i)*time.Millisecond)
	}
	for q, want := range map[float64]string{0.5: "51 ms", 0.99: "100 ms", 1: "100 ms", 0: "1.0 ms"} {
		if got := short(percentile(list, q)); got != want {
			t.Errorf("percentile %v: %s, want %s", q, got, want)
		}
	}
	if got := short(percentile(nil, 0.5)); got != "0.0 ms" {
		t.Error(got)
	}
	if got := short(1234 * time.Millisecond); got != "1.23 s" {
		t.Error(got)
	}
}

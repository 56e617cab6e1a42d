package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/waystation/waystation/examples/orders"
)

// Command is "waystation demo": its flags.
type Command struct {
	Orders   int           `short:"n" help:"Number of orders; after 200 those of the order file repeat." default:"200"`
	Workers  int           `help:"Workers of each step." default:"4"`
	Kill     bool          `help:"Kill the server (SIGKILL) in the middle and start it again."`
	Endpoint string        `placeholder:"URL" help:"Use a running server instead of starting one."`
	Key      string        `help:"Access key for --endpoint." default:"demo" env:"AWS_ACCESS_KEY_ID"`
	Secret   string        `help:"Secret key for --endpoint." default:"demo" env:"AWS_SECRET_ACCESS_KEY"`
	Region   string        `help:"Region to sign for." default:"us-east-1" env:"AWS_REGION"`
	Timeout  time.Duration `help:"Give up after this time." default:"2m"`
}

const maxOrders = 100_000

// Validate checks the flags; kong calls it.
func (c *Command) Validate() error {
	var errs []error
	if c.Orders < 1 || c.Orders > maxOrders {
		errs = append(errs, fmt.Errorf("--orders must lie between 1 and %d", maxOrders))
	}
	if c.Workers < 1 || c.Workers > 256 {
		errs = append(errs, errors.New("--workers must lie between 1 and 256"))
	}
	if c.Kill && c.Endpoint != "" {
		errs = append(errs, errors.New("--kill is for a server that the demo has started: leave out --endpoint"))
	}
	if c.Timeout <= 0 {
		errs = append(errs, errors.New("--timeout must be positive"))
	}
	return errors.Join(errs...)
}

// ErrBalance says that orders were lost or charged wrongly.
var ErrBalance = errors.New("the balance is wrong")

// Run performs the demo and prints it to out. It returns ErrBalance if the
// balance is wrong at the end.
func (c *Command) Run(ctx context.Context, out io.Writer) error {
	list, err := orders.Load(c.Orders)
	if err != nil {
		return err
	}
	catalogue, err := orders.LoadCatalogue(1 + c.Orders/200)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("the orders were not through after %v (--timeout)", c.Timeout))
	defer cancel()

	srv, err := c.start(ctx)
	if err != nil {
		return reason(ctx, err)
	}
	defer srv.close()
	fmt.Fprintf(out, "%s\n", srv.banner())

	transport := &http.Transport{MaxIdleConnsPerHost: 2*c.Workers + 8}
	defer transport.CloseIdleConnections()
	client := c.client(srv.url(), transport)
	shop := orders.NewShop(sqs.NewFromConfig(client), catalogue)
	shop.News = orders.NewNews(eventbridge.NewFromConfig(client), sns.NewFromConfig(client), shop.Client)
	prefix := ""
	if c.Endpoint != "" { // do not meddle with the queues of others
		prefix = fmt.Sprintf("demo-%x-", time.Now().UnixNano()&0xffffff)
	}
	if err := errors.Join(shop.Open(ctx, prefix), shop.News.Open(ctx, prefix)); err != nil {
		return reason(ctx, err)
	}
	if c.Endpoint != "" {
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			shop.Close(ctx)
			shop.News.Close(ctx)
		}()
	}

	r := &run{cmd: c, shop: shop, server: srv, tally: newTally(), out: newScreen(out), began: time.Now()}
	if err := r.day(ctx, list); err != nil {
		if ctx.Err() != nil {
			r.interrupted(len(list))
		}
		return reason(ctx, err)
	}
	balance := shop.Book.Balance(shop.Payments.Charges())
	r.summary(balance)
	if !balance.Right() || r.untold() > 0 {
		return ErrBalance
	}
	return nil
}

// reason prefers why the context ended to what broke off because of that.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// client is how plain SDK clients reach the server, with patience while it restarts.
func (c *Command) client(url string, transport *http.Transport) aws.Config {
	return aws.Config{
		BaseEndpoint: aws.String(url),
		Region:       c.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(c.Key, c.Secret, ""),
		HTTPClient:   &http.Client{Transport: transport},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 12
				o.MaxBackoff = 500 * time.Millisecond
			})
		},
	}
}

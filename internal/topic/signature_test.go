package topic_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// verify checks an envelope's signature as a receiver does, by the certificate that
// its address leads to.
func (f *fixture) verify(e envelope) error {
	path, ok := strings.CutPrefix(e.SigningCertURL, origin)
	data, there := f.Envelopes().Certificate(path)
	block, _ := pem.Decode(data)
	if !ok || !there || block == nil {
		return errors.New("no certificate under " + e.SigningCertURL)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil {
		return err
	}
	text := "Message\n" + e.Message + "\nMessageId\n" + e.MessageId + "\n"
	if e.Type == "Notification" {
		if e.Subject != "" {
			text += "Subject\n" + e.Subject + "\n"
		}
		text += "Timestamp\n" + e.Timestamp + "\nTopicArn\n" + e.TopicArn + "\nType\n" + e.Type + "\n"
	} else {
		text += "SubscribeURL\n" + e.SubscribeURL + "\nTimestamp\n" + e.Timestamp + "\nToken\n" + e.Token + "\nTopicArn\n" + e.TopicArn + "\nType\n" + e.Type + "\n"
	}
	algorithm := x509.SHA1WithRSA
	if e.SignatureVersion == "2" {
		algorithm = x509.SHA256WithRSA
	}
	return certificate.CheckSignature(algorithm, []byte(text), signature)
}

// Signatures hold, in both versions, for each subscriber the same, and over restarts;
// what was altered does not.
func TestSignatures(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2, false)
	for version, name := range map[int]string{0: "one", 2: "two"} {
		to := f.topic(registry.Topic{Meta: registry.Meta{Name: name}, SignatureVersion: version})
		a, b := f.standard(name+"-a"), f.standard(name+"-b")
		f.subscribe(to, a.ARN(), registry.Subscription{})
		f.subscribe(to, b.ARN(), registry.Subscription{})
		f.publish(to, topic.Message{Body: "first", Subject: "With a subject"}, topic.Message{Body: "second\nline"})
		var first []envelope
		for _, m := range f.take(a, 2) {
			first = append(first, f.envelope(m))
		}
		f.restart(2)
		for i, m := range f.take(b, 2) {
			e := f.envelope(m)
			if err := errors.Join(f.verify(e), f.verify(first[i])); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
			if e.Signature != first[i].Signature && e.MessageId == first[i].MessageId || e.SignatureVersion != []string{"1", "", "2"}[version] {
				t.Errorf("version %d: %s", version, m.Body)
			}
			e.Message += "."
			if f.verify(e) == nil {
				t.Errorf("version %d: an altered message has a valid signature", version)
			}
		}
	}
}

// Who has to confirm is sent a signed message with a token, which is good for that
// subscription, for two days.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	news, another := f.topic(registry.Topic{Meta: registry.Meta{Name: "news"}}), f.topic(registry.Topic{Meta: registry.Meta{Name: "another"}})
	q := f.queue(registry.Queue{Meta: registry.Meta{Name: "q", Account: other}})
	sub := f.subscribe(news, q.ARN(), registry.Subscription{Pending: true, Raw: true})
	e := f.envelope(f.take(q, 1)[0])
	if e.Type != "SubscriptionConfirmation" || e.TopicArn != news.ARN() || e.UnsubscribeURL != "" || !strings.Contains(e.Message, "SubscribeURL") ||
		e.SubscribeURL != origin+"/?Action=ConfirmSubscription&TopicArn="+news.ARN()+"&Token="+e.Token {
		t.Errorf("%+v", e)
	}
	if err := f.verify(e); err != nil {
		t.Error(err)
	}
	f.publish(news, topic.Message{Body: "nobody"})
	f.none(q)
	// Subscribing again sends another token; the first is good as long.
	f.subscribe(news, q.ARN(), registry.Subscription{Pending: true, Raw: true})
	second := f.envelope(f.take(q, 1)[0])
	for name, token := range map[string]string{
		"empty": "", "short": e.Token[2:], "altered": "0" + strings.TrimPrefix("1"+e.Token[1:], "1"), "no hex": strings.Repeat("x", len(e.Token)),
	} {
		if token == e.Token {
			token = "1" + e.Token[1:]
		}
		if _, err := f.Confirm(t.Context(), news, token, true); !errors.Is(err, topic.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Confirm(t.Context(), another, e.Token, true); !errors.Is(err, topic.ErrToken) {
		t.Errorf("at another topic: %v", err)
	}
	f.ahead.Store(int64(topic.ConfirmWithin + time.Minute))
	if _, err := f.Confirm(t.Context(), news, e.Token, true); !errors.Is(err, topic.ErrToken) {
		t.Errorf("too late: %v", err)
	}
	f.ahead.Store(int64(topic.ConfirmWithin - time.Hour))
	f.restart(1)
	for range 2 { // again does no harm
		now, err := f.Confirm(t.Context(), news, second.Token, true)
		if err != nil || now.Pending || !now.Authenticated || now.ARN() != sub.ARN() {
			t.Errorf("%+v, %v", now, err)
		}
	}
	f.publish(news, topic.Message{Body: "somebody"})
	if got := f.take(q, 1)[0]; got.Body != "somebody" {
		t.Errorf("%+v", got)
	}
	// A subscription that is made again is another: old tokens are for the one before.
	if err := f.Unsubscribe(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Confirm(t.Context(), news, second.Token, true); !errors.Is(err, topic.ErrToken) {
		t.Errorf("of one that is gone: %v", err)
	}
	f.subscribe(news, q.ARN(), registry.Subscription{Pending: true})
	if _, err := f.Confirm(t.Context(), news, second.Token, true); !errors.Is(err, topic.ErrToken) {
		t.Errorf("of the one before: %v", err)
	}
}

// Bounds of subscriptions and filter policies.
func TestSubscriptionBounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	for name, def := range map[string]registry.Topic{"fifo.fifo": {FIFO: true}, "large": {MaxMessageSize: 1 << 20}} {
		def.Name = name
		to := f.topic(def)
		for i := range 100 {
			f.subscribe(to, numbered("arn:aws:sqs:r:a:q", i), registry.Subscription{})
		}
		same := func(*registry.Subscription) bool { return true }
		_, made, err := f.Subscribe(t.Context(), to, registry.Subscription{Protocol: "sqs", Endpoint: numbered("arn:aws:sqs:r:a:q", 7)}, same)
		if err != nil || made {
			t.Errorf("%s: one that is there: %v, %v", name, made, err)
		}
		if _, _, err := f.Subscribe(t.Context(), to, registry.Subscription{Protocol: "sqs", Endpoint: "arn:aws:sqs:r:a:more"}, same); !errors.Is(err, topic.ErrSubscriptions) {
			t.Errorf("%s: one too many: %v", name, err)
		}
		_, _, err = f.Subscribe(t.Context(), to, registry.Subscription{Protocol: "sqs", Endpoint: numbered("arn:aws:sqs:r:a:q", 7)}, func(*registry.Subscription) bool { return false })
		if !errors.Is(err, topic.ErrDiffers) {
			t.Errorf("%s: with other attributes: %v", name, err)
		}
	}
}

// The renderer takes nothing that a topic has not made.
func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1, false)
	const reference = "eAAAAAAAAAAAAAAAAAAAAAA"
	for name, r := range map[string]partition.Rendering{
		"nothing":      {Reference: reference},
		"another form": {Payload: make([]byte, 100), Reference: reference},
		"cut short":    {Payload: append([]byte{topic.Form}, make([]byte, 30)...), Reference: reference},
	} {
		if m, err := f.Envelopes().Render(r); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if _, ok := f.Envelopes().Certificate("/SimpleNotificationService-.pem"); ok {
		t.Error("a certificate without a name")
	}
}

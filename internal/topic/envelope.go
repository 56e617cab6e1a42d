package topic

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// Envelopes make of what topics posted the messages that consumers of queues see. Its
// methods may be called side by side.
type Envelopes struct {
	keys   *registry.Table[registry.SigningKey]
	clock  func() time.Time
	signer atomic.Pointer[signer]
}

func newEnvelopes(keys *registry.Table[registry.SigningKey], clock func() time.Time) *Envelopes {
	return &Envelopes{keys: keys, clock: clock}
}

// Load reads the signing key, which is made the first time. Nothing is rendered before.
func (e *Envelopes) Load(ctx context.Context) error {
	s, err := loadSigner(ctx, e.keys, e.clock())
	if err == nil {
		e.signer.Store(s)
	}
	return err
}

// certificatePath begins the path of certificates, as validators of receivers know it.
const certificatePath = "/SimpleNotificationService-"

// Certificate gives the certificate that is served under path, in PEM form.
func (e *Envelopes) Certificate(path string) ([]byte, bool) {
	s := e.signer.Load()
	if s == nil || path != s.path() {
		return nil, false
	}
	return s.certificate, true
}

func (s *signer) path() string { return certificatePath + s.name + ".pem" }

// Render is the partition.Renderer of Form.
func (e *Envelopes) Render(r partition.Rendering) (partition.Message, error) {
	n, err := decodeNotification(r.Payload)
	if err != nil {
		return partition.Message{}, err
	}
	subscription, isRaw, err := readReference(r.Reference)
	if err != nil {
		return partition.Message{}, err
	}
	m := partition.Message{
		ID: deliveryID(n.slot, subscription), DedupID: n.dedup, TraceHeader: n.trace, SenderID: Principal,
	}
	if isRaw && n.kind == kindNotification {
		m.Body, m.Attributes = n.message, n.attributes
	} else if m.Body, err = e.envelope(n, subscription, r.Origin); err != nil {
		return partition.Message{}, err
	}
	m.BodyMD5 = md5.Sum([]byte(m.Body))
	return m, nil
}

// deliveryID is the id of a message in the queue of one subscription.
func deliveryID(slot partition.MessageID, subscription string) partition.MessageID {
	sum := sha256.Sum256(append(slot[:], subscription...))
	return partition.MessageID(uuidOf(sum))
}

// uuidOf makes a UUID of a hash (version 8: of the application's own making).
func uuidOf(sum [sha256.Size]byte) (id [16]byte) {
	copy(id[:], sum[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// timestamp spells a time as notifications do.
func timestamp(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// confirmationText is what a subscriber who has to confirm reads.
func confirmationText(topic string) string {
	return "You have chosen to subscribe to the topic " + topic +
		".\nTo confirm the subscription, visit the SubscribeURL included in this message."
}

// envelope is the notification as JSON.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (e *Envelopes) envelope(n *notification, subscription, origin string) (string, error) {
	w := envelopeWriter{make([]byte, 0, len(n.message)+len(n.message)/8+1536)}
	message, subscribeURL := n.message, ""
	switch n.kind {
	case kindConfirmation:
		message = confirmationText(n.topic)
	case kindUnsubscribed:
		message = "You have chosen to deactivate subscription " + n.topic + ":" + subscription +
			".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	}
	if n.kind != kindNotification {
		subscribeURL = origin + "/?Action=ConfirmSubscription&TopicArn=" + n.topic + "&Token=" + n.token
	}
	w.text("Type", n.kindName())
	w.text("MessageId", n.id.String())
	if n.sequence != 0 {
		w.text("SequenceNumber", Sequence(n.sequence))
	}
	w.some("Token", n.token)
	w.text("TopicArn", n.topic)
	w.some("Subject", n.subject)
	w.text("Message", message)
	w.some("SubscribeURL", subscribeURL)
	w.text("Timestamp", timestamp(n.time))
	if n.signature != 0 {
		s := e.signer.Load()
		if s == nil {
			return "", errors.New("topic: the signing key is not loaded")
		}
		signature, err := s.signatureOf(n, message, subscribeURL)
		if err != nil {
			return "", err
		}
		w.text("SignatureVersion", string('0'+n.signature))
		w.text("Signature", signature)
		w.text("SigningCertURL", origin+s.path())
	}
	if n.kind == kindNotification {
		w.text("UnsubscribeURL", origin+"/?Action=Unsubscribe&SubscriptionArn="+n.topic+":"+subscription)
	}
	w.attributes(n.attributes)
	return w.done(), nil
}

// signatureOf signs what validators put together of the envelope: names and values,
// a line each, in the order of the names.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func (s *signer) signatureOf(n *notification, message, subscribeURL string) (string, error) {
	text := func() []byte {
		var b []byte
		line := func(name, value string) {
			b = append(append(append(append(b, name...), '\n'), value...), '\n')
		}
		line("Message", message)
		line("MessageId", n.id.String())
		if n.kind != kindNotification {
			line("SubscribeURL", subscribeURL)
		} else if n.subject != "" {
			line("Subject", n.subject)
		}
		line("Timestamp", timestamp(n.time))
		if n.kind != kindNotification {
			line("Token", n.token)
		}
		line("TopicArn", n.topic)
		line("Type", n.kindName())
		return b
	}
	if n.kind != kindNotification { // it holds where it was received
		return s.sign(n.signature, text())
	}
	return s.signOnce(n.signature, n.id, text)
}

// Sequence spells the number of a FIFO topic's message in 20 digits, so that the order
// of the texts is that of the numbers.
func Sequence(n uint64) string {
	var b [20]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[:])
}

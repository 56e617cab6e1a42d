package topic

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/registry"
)

// PublishText publishes a message of another service to a standard topic, which has to
// have let it: without a subject and attributes. refused says why the topic cannot take
// the message, if so. The error is that of Published: it asks to try again.
func (s *Service) PublishText(ctx context.Context, t *registry.Topic, body, trace string) (refused string, err error) {
	err = s.Publish(ctx, t, []Message{{Body: body, Trace: trace}})[0].Err
	if errors.Is(err, ErrUnmatched) {
		return err.Error(), nil
	}
	return "", err
}

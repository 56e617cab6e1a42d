package sns

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"strings"

	"encoding/json"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/awsapi/resource"
	"github.com/waystation/waystation/internal/registry"
	"github.com/waystation/waystation/internal/topic"
)

// fifoSuffix ends the name of every FIFO topic and of no other.
const fifoSuffix = ".fifo"

// fifoTopic is the one attribute that is given when a topic is made, and never set.
const fifoTopic = "FifoTopic"

// checkName checks the name of a topic that is to be made.
func checkName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	switch {
	case fifo && (!suffixed || len(name) > maxName || !access.IsToken(base, maxName)):
		return invalid("Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, " +
			"numbers, underscores, and hyphens, and must be between 1 and 256 characters long.")
	case !fifo && !access.IsToken(name, maxName):
		return invalid("Topic Name")
	}
	return nil
}

// createTopic makes a topic, or finds it when it is there with the attributes and the
// tags asked for.
// https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
func (s *service) createTopic(ctx context.Context, c *protocol.Call, in *createTopicInput) (*topicOutput, error) {
	given := maps.Clone(in.Attributes)
	v, isFIFO := given[fifoTopic]
	delete(given, fifoTopic)
	fifo := strings.EqualFold(v, "true")
	if isFIFO && !fifo && !strings.EqualFold(v, "false") {
		return nil, invalid("Attributes Reason: FifoTopic must be true or false")
	}
	if err := checkName(in.Name, fifo); err != nil {
		return nil, err
	}
	t := &registry.Topic{Meta: registry.Meta{Account: c.Account, Region: c.Region, Name: in.Name}, FIFO: fifo}
	if err := s.allowAccount(c, c.Account, "sns:CreateTopic", t.ARN()); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := s.allowAccount(c, c.Account, "sns:TagResource", t.ARN()); err != nil {
			return nil, err
		}
	}
	if in.DataProtectionPolicy != "" {
		return nil, notYet("DataProtectionPolicy", "data protection is")
	}
	if err := s.apply(t, given, topic.Counts{}); err != nil {
		return nil, err
	}
	var err error
	if t.Tags, err = tagMap(in.Tags); err != nil {
		return nil, err
	}
	if err := checkTags(nil, t.Tags); err != nil {
		return nil, err
	}
	var differs error
	made, _, err := s.topics.Create(ctx, *t, func(existing *registry.Topic) bool {
		differs = nil
		if _, differ := s.attributes.Differ(existing, t, given); differ {
			differs = invalid("Attributes Reason: Topic already exists with different attributes")
		} else if len(t.Tags) > 0 && !reflect.DeepEqual(t.Tags, existing.Tags) {
			differs = invalid("Tags Reason: Topic already exists with different tags")
		}
		return differs == nil
	})
	if errors.Is(err, registry.ErrConflict) && differs != nil {
		return nil, differs
	}
	if err != nil {
		return nil, failure(err)
	}
	return &topicOutput{TopicArn: made.ARN()}, nil
}

// apply sets attributes, each checked by itself and then all together. t is left in an
// undefined state when an error is returned.
func (s *service) apply(t *registry.Topic, given map[string]string, n topic.Counts) error {
	err := s.attributes.Apply(t, given)
	var unknown *resource.Unknown
	if errors.As(err, &unknown) {
		return invalid("Attributes Reason: Unknown attribute " + echo(unknown.Name))
	}
	if err != nil {
		return err
	}
	return s.settle(t, n)
}

// deleteTopic removes a topic and its subscriptions; one that is not there is no error.
func (s *service) deleteTopic(ctx context.Context, c *protocol.Call, in *topicInput) (*protocol.Empty, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:DeleteTopic", nil)
	if errors.Is(err, errNoTopic) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.topics.Delete(ctx, t.Account, t.Region, t.Name)
	if errors.Is(err, topic.ErrNotFound) {
		return nil, nil
	}
	return nil, failure(err)
}

func (s *service) getTopicAttributes(ctx context.Context, c *protocol.Call, in *topicInput) (*attributesOutput, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:GetTopicAttributes", nil)
	if err != nil {
		return nil, err
	}
	out, err := s.attributes.Show(t, []string{resource.All}, func() (*topic.Counts, error) {
		n := s.topics.Counts(t)
		return &n, nil
	})
	return &attributesOutput{out}, failure(err)
}

// setTopicAttributes sets one attribute.
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func (s *service) setTopicAttributes(ctx context.Context, c *protocol.Call, in *setTopicAttributesInput) (*protocol.Empty, error) {
	t, err := s.topic(ctx, c, in.TopicArn, "sns:SetTopicAttributes", nil)
	if err != nil {
		return nil, err
	}
	_, err = s.topics.Update(ctx, t, func(t *registry.Topic) error {
		err := s.attributes.Apply(t, map[string]string{in.AttributeName: in.AttributeValue})
		var unknown *resource.Unknown
		if errors.As(err, &unknown) {
			return invalid("AttributeName")
		}
		if err != nil {
			return err
		}
		return s.settle(t, s.topics.Counts(t))
	})
	return nil, failure(err)
}

func (s *service) listTopics(ctx context.Context, c *protocol.Call, in *listInput) (*listTopicsOutput, error) {
	if err := s.allowAccount(c, c.Account, "sns:ListTopics", "*"); err != nil {
		return nil, err
	}
	asked := []string{"ListTopics", c.Account, c.Region}
	after, err := s.place(ctx, in.NextToken, asked)
	if err != nil {
		return nil, err
	}
	list, more := s.topics.List(c.Account, c.Region, after, maxListed)
	out := &listTopicsOutput{Topics: make([]topicOutput, len(list))}
	for i, t := range list {
		out.Topics[i].TopicArn = t.ARN()
	}
	if more && len(list) > 0 {
		out.NextToken, err = s.pages.After(ctx, list[len(list)-1].Name, asked...)
	}
	return out, failure(err)
}

// place reads where a list goes on. asked is what makes it this list: a token goes
// with no other.
func (s *service) place(ctx context.Context, token string, asked []string) (string, error) {
	if token == "" {
		return "", nil
	}
	after, err := s.pages.Place(ctx, token, asked...)
	return after, failure(err)
}

// sameJSON reports whether two texts are JSON of one meaning.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

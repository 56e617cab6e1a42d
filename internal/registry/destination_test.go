package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/waystation/waystation/internal/jet/jetsim"
)

func TestConnectionsAndDestinations(t *testing.T) {
	bubble(t, func(t *testing.T, w *jetsim.World) {
		r := up(t, w.Node("one"), Config{MaxConnections: 1, MaxAPIDestinations: 1})
		c, _, err := r.Connections().Create(t.Context(), &Connection{
			Meta: Meta{Account: account, Region: region, Name: "crm"}, Description: "d", Type: "OAUTH_CLIENT_CREDENTIALS", State: Authorizing, StateReason: "r",
			LastAuthorized: 5, KMSKeyID: "k", Client: "id", Secret: "hush", Version: 1,
			OAuth:      &OAuth{Endpoint: "https://token", Method: "POST", Parameters: []Parameter{{Place: InBody, Key: "scope", Value: "a"}}},
			Parameters: []Parameter{{Place: InHeader, Key: "x", Value: "hush", Secret: true}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(*c)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s is not set here: the test would not miss it", v.Type().Field(i).Name)
			}
		}
		d, _, err := r.APIDestinations().Create(t.Context(), &APIDestination{
			Meta: Meta{Account: account, Region: region, Name: "crm"}, Description: "d", ConnectionARN: c.ARN(), Endpoint: "https://crm/*", Method: "PUT",
			PerSecond: 7, Partition: 3,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for arn, kind := range map[string]string{c.ARN(): "connection", d.ARN(): "api-destination"} {
			if !regexp.MustCompile(`^arn:aws:events:` + region + `:` + account + `:` + kind + `/crm/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(arn) {
				t.Error(arn)
			}
			if res, ok := ParseARN(arn); !ok || res.ARN() != arn || res.Kind != kind {
				t.Errorf("%s is read as %+v, %v", arn, res, ok)
			}
		}
		if arn := c.SecretARN(); !strings.HasPrefix(arn, "arn:aws:secretsmanager:"+region+":"+account+":secret:events!connection/crm/") {
			t.Error(arn)
		}
		// Secrets are not shown by accident.
		text, _ := json.Marshal(c)
		if all := fmt.Sprintf("%v %+v %#v %s", c, c, c, text); strings.Contains(all, "hush") {
			t.Error(all)
		}
		// A copy shares nothing that can be changed.
		x := c.Clone()
		x.Parameters[0].Key, x.OAuth.Method, x.OAuth.Parameters[0].Key = "y", "y", "y"
		if c.Parameters[0].Key != "x" || c.OAuth.Method != "POST" || c.OAuth.Parameters[0].Key != "scope" {
			t.Errorf("a change of the copy shows: %+v", c)
		}
		// The partition stays, and so does when a connection was changed when its state is.
		moved, err := r.APIDestinations().Update(t.Context(), account, region, "crm", func(d *APIDestination) error { d.Partition, d.PerSecond = 9, 8; return nil })
		if err != nil || moved.Partition != 3 || moved.PerSecond != 8 || moved.ARN() != d.ARN() {
			t.Errorf("%+v, %v", moved, err)
		}
		other := up(t, w.Node("two"), Config{})
		if got, ok := other.Connections().Get(account, region, "crm"); !ok || !reflect.DeepEqual(got, c) || got.Secret != "hush" {
			t.Errorf("the other node has\n%+v, want\n%+v", got, c)
		}
		if list := other.APIDestinations().By(AllAPIDestinations, "all"); len(list) != 1 || !reflect.DeepEqual(list[0], moved) {
			t.Errorf("the other node has %+v, want %+v", list, moved)
		}
		if _, _, err := r.Connections().Create(t.Context(), &Connection{Meta: Meta{Account: account, Region: region, Name: "b"}}, nil); !errors.Is(err, ErrTooMany) {
			t.Error(err)
		}
		if _, _, err := r.APIDestinations().Create(t.Context(), &APIDestination{Meta: Meta{Account: account, Region: region, Name: "b"}}, nil); !errors.Is(err, ErrTooMany) {
			t.Error(err)
		}
		// Made again it is another.
		if err := r.APIDestinations().Delete(t.Context(), account, region, "crm"); err != nil {
			t.Fatal(err)
		}
		again, _, err := r.APIDestinations().Create(t.Context(), d, nil)
		if err != nil || again.ARN() == d.ARN() {
			t.Errorf("%v, %v", again, err)
		}
	})
}

func TestHTTPParametersOfACopy(t *testing.T) {
	t.Parallel()
	r := &Rule{Targets: []Target{{HTTP: &HTTPParameters{Path: []string{"a"}, Header: map[string]string{"a": "b"}, Query: map[string]string{"a": "b"}}}}}
	c := r.Clone()
	c.Targets[0].HTTP.Path[0], c.Targets[0].HTTP.Header["a"], c.Targets[0].HTTP.Query["a"] = "", "", ""
	if h := r.Targets[0].HTTP; h.Path[0] != "a" || h.Header["a"] != "b" || h.Query["a"] != "b" {
		t.Errorf("a change of the copy shows: %+v", h)
	}
}

package sts

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		p    access.Principal
		want callerIdentityOutput
		code string
	}{
		{
			name: "user",
			p:    access.Principal{Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/orders", UserID: "AIDAORDERS"},
			want: callerIdentityOutput{Account: "123456789012", Arn: "arn:aws:iam::123456789012:user/orders", UserId: "AIDAORDERS"},
		},
		{
			name: "root",
			p:    access.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root", UserID: "000000000000"},
			want: callerIdentityOutput{Account: "000000000000", Arn: "arn:aws:iam::000000000000:root", UserId: "000000000000"},
		},
		{name: "unsigned", p: access.Principal{Anonymous: true}, code: "MissingAuthenticationToken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := callerIdentity(context.Background(), &protocol.Call{Principal: tt.p}, &protocol.Empty{})
			if tt.code != "" {
				var e *access.Error
				if !errors.As(err, &e) || e.Code != tt.code {
					t.Fatalf("error %v, want code %s", err, tt.code)
				}
				return
			}
			if err != nil || *got != tt.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	api := New(nil)
	names := make([]string, len(api.Operations))
	for i, op := range api.Operations {
		names[i] = op.Name
		if op.Status == protocol.NotYet && op.Note == "" {
			t.Errorf("%s: an operation that is not there must say what to do instead", op.Name)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("operations are not in the order of their names: %v", names)
	}
	if !slices.Contains(names, "GetCallerIdentity") {
		t.Error("GetCallerIdentity is missing")
	}
}

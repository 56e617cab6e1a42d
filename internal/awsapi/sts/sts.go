package sts

import (
	"context"

	"github.com/waystation/waystation/internal/access"
	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// noTemporary is the remark on all that would issue temporary credentials.
const noTemporary = "Temporary credentials are not issued: use a key of the keys file."

type callerIdentityOutput struct {
	Arn     string
	UserId  string
	Account string
}

// New makes the table of operations. It needs nothing: who calls is part of
// every call.
func New() *protocol.API {
	return &protocol.API{
		Name:      "sts",
		Title:     "Security Token Service",
		Version:   "2011-06-15",
		Target:    "AWSSecurityTokenServiceV20110615",
		JSON:      "1.1",
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Operations: []protocol.Operation{
			protocol.Missing("AssumeRole", noTemporary),
			protocol.Missing("AssumeRoleWithSAML", noTemporary),
			protocol.Missing("AssumeRoleWithWebIdentity", noTemporary),
			protocol.Missing("AssumeRoot", noTemporary),
			protocol.Missing("DecodeAuthorizationMessage", "Refusals are plain text here: nothing is encoded in them."),
			protocol.Missing("GetAccessKeyInfo", "The keys file says which account a key belongs to."),
			protocol.Op("GetCallerIdentity", callerIdentity,
				protocol.WithNote("For any key that can sign; no policy can forbid it. Query and JSON 1.1.")),
			protocol.Missing("GetDelegatedAccessToken", noTemporary),
			protocol.Missing("GetFederationToken", noTemporary),
			protocol.Missing("GetSessionToken", noTemporary),
			protocol.Missing("GetWebIdentityToken", noTemporary),
		},
	}
}

func callerIdentity(_ context.Context, c *protocol.Call, _ *protocol.Empty) (*callerIdentityOutput, error) {
	p := &c.Principal
	if p.Anonymous {
		e := access.ErrMissingToken
		return nil, &protocol.Error{Code: e.Code, Status: e.Status, Message: e.Message}
	}
	return &callerIdentityOutput{Account: p.Account, Arn: p.ARN, UserId: p.UserID}, nil
}

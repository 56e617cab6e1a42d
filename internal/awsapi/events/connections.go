package events

import (
	"context"
	"errors"

	"github.com/waystation/waystation/internal/awsapi/protocol"
	"github.com/waystation/waystation/internal/bus"
	"github.com/waystation/waystation/internal/registry"
)

// namedARN is how policies name a connection or an API destination of the caller's that
// is not there.
func namedARN(c *protocol.Call, kind, name string) string {
	return "arn:aws:events:" + c.Region + ":" + c.Account + ":" + kind + "/" + name
}

func (v *problems) connectionName(member, name string) {
	v.Pattern(member, name, 1, maxConnectionName, namePattern, ".-")
}

// check checks what connections are given beside what authorizes.
func (in *connectionInput) check(v *problems, all bool) {
	v.connectionName("name", in.Name)
	if in.Description != "" {
		v.Length("description", in.Description, 0, maxDescription)
	}
	if in.AuthorizationType == "" && all {
		v.Add("authorizationType", "", "not be null")
	}
	v.Enum("authorizationType", in.AuthorizationType, bus.Basic, bus.OAuth, bus.APIKey)
	if in.KmsKeyIdentifier != "" {
		v.Pattern("kmsKeyIdentifier", in.KmsKeyIdentifier, 0, maxKey, `^[a-zA-Z0-9_\-/:]*$`, "-/:")
	}
	switch {
	case in.AuthParameters != nil:
		in.AuthParameters.check(v, all)
	case all:
		v.Add("authParameters", "", "not be null")
	}
}

func (in *connectionInput) connectivity() error {
	var private *connectivity
	if in.AuthParameters != nil {
		private = in.AuthParameters.ConnectivityParameters
	}
	return noConnectivity(in.InvocationConnectivityParameters, private)
}

// createConnection makes a connection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateConnection.html
func (s *service) createConnection(ctx context.Context, c *protocol.Call, in *connectionInput) (*createConnectionOutput, error) {
	var v problems
	in.check(&v, true)
	def := registry.Connection{
		Meta:        registry.Meta{Account: c.Account, Region: c.Region, Name: in.Name},
		Description: in.Description, Type: in.AuthorizationType, KMSKeyID: in.KmsKeyIdentifier,
	}
	if in.AuthParameters != nil {
		in.AuthParameters.apply(&v, &def)
	}
	if err := v.error(); err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:CreateConnection", namedARN(c, "connection", in.Name)); err != nil {
		return nil, err
	}
	if err := in.connectivity(); err != nil {
		return nil, err
	}
	if err := checkAuth(&def); err != nil {
		return nil, err
	}
	made, err := s.buses.CreateConnection(ctx, def)
	if errors.Is(err, bus.ErrConnectionExists) {
		return nil, &protocol.Error{Code: "ResourceAlreadyExistsException", Message: "Connection " + in.Name + " already exists."}
	}
	if err != nil {
		return nil, failure(err)
	}
	return &createConnectionOutput{made.ARN(), made.State, moment(made.Created), moment(made.Modified)}, nil
}

func noConnection(name string) error {
	return &protocol.Error{Code: "ResourceNotFoundException", Message: "Connection '" + echo(name) + "' does not exist."}
}

// connection finds a connection on which the caller may do action.
func (s *service) connection(ctx context.Context, c *protocol.Call, name, action string) (*registry.Connection, error) {
	def, err := s.buses.Connection(ctx, c.Account, c.Region, name)
	if errors.Is(err, bus.ErrNoConnection) {
		if err := s.allowAccount(c, c.Account, action, namedARN(c, "connection", name)); err != nil {
			return nil, err
		}
		return nil, noConnection(name)
	}
	if err != nil {
		return nil, failure(err)
	}
	return def, s.allowAccount(c, c.Account, action, def.ARN())
}

// namedConnection checks a name, and finds the connection.
func (s *service) namedConnection(ctx context.Context, c *protocol.Call, in *nameInput, action string) (*registry.Connection, error) {
	var v problems
	if v.connectionName("name", in.Name); v.error() != nil {
		return nil, v.error()
	}
	return s.connection(ctx, c, in.Name, action)
}

// connectionFailure is failure for what is about a connection.
func connectionFailure(err error, name string) error {
	if errors.Is(err, bus.ErrNoConnection) {
		return noConnection(name)
	}
	return failure(err)
}

func shownConnection(c *registry.Connection) *connectionOutput {
	return &connectionOutput{c.ARN(), c.State, moment(c.Created), moment(c.Modified), moment(c.LastAuthorized)}
}

// updateConnection changes what is said of a connection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UpdateConnection.html
func (s *service) updateConnection(ctx context.Context, c *protocol.Call, in *connectionInput) (*connectionOutput, error) {
	var v problems
	in.check(&v, false)
	if in.AuthParameters != nil { // what is wrong is told before anything is looked up
		in.AuthParameters.apply(&v, &registry.Connection{Type: bus.OAuth})
	}
	if err := v.error(); err != nil {
		return nil, err
	}
	if _, err := s.connection(ctx, c, in.Name, "events:UpdateConnection"); err != nil {
		return nil, err
	}
	if err := in.connectivity(); err != nil {
		return nil, err
	}
	now, err := s.buses.UpdateConnection(ctx, c.Account, c.Region, in.Name, func(def *registry.Connection) (bool, error) {
		if in.Description != "" {
			def.Description = in.Description
		}
		if in.KmsKeyIdentifier != "" {
			def.KMSKeyID = in.KmsKeyIdentifier
		}
		changes := in.AuthorizationType != "" && in.AuthorizationType != def.Type
		if changes {
			def.Type, def.Client, def.Secret, def.OAuth = in.AuthorizationType, "", "", nil
		}
		if in.AuthParameters != nil {
			in.AuthParameters.apply(&problems{}, def)
		}
		if !changes && in.AuthParameters == nil {
			return false, nil
		}
		return true, checkAuth(def)
	})
	if err != nil {
		return nil, connectionFailure(err, in.Name)
	}
	return shownConnection(now), nil
}

// deauthorizeConnection takes from a connection what authorizes.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeauthorizeConnection.html
func (s *service) deauthorizeConnection(ctx context.Context, c *protocol.Call, in *nameInput) (*connectionOutput, error) {
	if _, err := s.namedConnection(ctx, c, in, "events:DeauthorizeConnection"); err != nil {
		return nil, err
	}
	now, err := s.buses.Deauthorize(ctx, c.Account, c.Region, in.Name)
	if err != nil {
		return nil, connectionFailure(err, in.Name)
	}
	return shownConnection(now), nil
}

// deleteConnection removes a connection, also while API destinations use it.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteConnection.html
func (s *service) deleteConnection(ctx context.Context, c *protocol.Call, in *nameInput) (*connectionOutput, error) {
	def, err := s.namedConnection(ctx, c, in, "events:DeleteConnection")
	if err != nil {
		return nil, err
	}
	if err := s.buses.DeleteConnection(ctx, c.Account, c.Region, in.Name); err != nil {
		return nil, connectionFailure(err, in.Name)
	}
	return shownConnection(def), nil
}

func (s *service) describeConnection(ctx context.Context, c *protocol.Call, in *nameInput) (*describeConnectionOutput, error) {
	def, err := s.namedConnection(ctx, c, in, "events:DescribeConnection")
	if err != nil {
		return nil, err
	}
	return &describeConnectionOutput{
		ConnectionArn: def.ARN(), Name: def.Name, Description: def.Description, ConnectionState: def.State, StateReason: def.StateReason,
		AuthorizationType: def.Type, SecretArn: def.SecretARN(), KmsKeyIdentifier: def.KMSKeyID, AuthParameters: shownAuthorization(def),
		CreationTime: moment(def.Created), LastModifiedTime: moment(def.Modified), LastAuthorizedTime: moment(def.LastAuthorized),
	}, nil
}

// connectionStates are those that the model knows.
var connectionStates = []string{
	"CREATING", "UPDATING", "DELETING", registry.Authorized, registry.Deauthorized, registry.Authorizing, "DEAUTHORIZING", "ACTIVE", "FAILED_CONNECTIVITY",
}

func (s *service) listConnections(ctx context.Context, c *protocol.Call, in *listConnectionsInput) (*listConnectionsOutput, error) {
	var v problems
	if in.NamePrefix != "" {
		v.connectionName("namePrefix", in.NamePrefix)
	}
	v.Enum("connectionState", in.ConnectionState, connectionStates...)
	l, err := s.list(ctx, &v, c, in.Limit, in.NextToken, c.Region, in.NamePrefix, in.ConnectionState)
	if err != nil {
		return nil, err
	}
	if err := s.allowAccount(c, c.Account, "events:ListConnections", namedARN(c, "connection", "*")); err != nil {
		return nil, err
	}
	list, more := s.buses.Connections(c.Account, c.Region, in.NamePrefix, in.ConnectionState, l.after, l.limit)
	out := &listConnectionsOutput{Connections: make([]connection, len(list))}
	for i, x := range list {
		l.after = x.Name
		out.Connections[i] = connection{
			ConnectionArn: x.ARN(), Name: x.Name, ConnectionState: x.State, StateReason: x.StateReason, AuthorizationType: x.Type,
			CreationTime: moment(x.Created), LastModifiedTime: moment(x.Modified), LastAuthorizedTime: moment(x.LastAuthorized),
		}
	}
	out.NextToken, err = s.next(ctx, l, more, l.after)
	return out, err
}

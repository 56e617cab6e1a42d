package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waystation/waystation/internal/awsapi/protocol"
)

// Roles are what a server may do. Each may run alone and in any number of copies, on
// one NATS; together they are what a server without --roles does.
const (
	// RolePartition serves partitions: it owns journals and keeps the queues.
	RolePartition = "partition"
	// RoleQueue serves the API of queues (SQS).
	RoleQueue = "queue"
	// RoleTopic serves the API of topics (SNS): filters, and fans messages out.
	RoleTopic = "topic"
	// RoleBus serves the API of event buses (EventBridge): matches rules.
	RoleBus = "bus"
	// RoleSchedule serves the API of schedules (Scheduler) and fires them.
	RoleSchedule = "schedule"
	// RoleDelivery pushes messages to HTTP endpoints.
	RoleDelivery = "delivery"
)

// Roles lists all of them.
func Roles() []string {
	return []string{RolePartition, RoleQueue, RoleTopic, RoleBus, RoleSchedule, RoleDelivery}
}

// has reports whether the server has a role; without --roles it has each.
func (c *Config) has(role string) bool { return len(c.Roles) == 0 || slices.Contains(c.Roles, role) }

// roles are those that the server has.
func (c *Config) roles() []string {
	return slices.DeleteFunc(Roles(), func(r string) bool { return !c.has(r) })
}

func (c *Config) validateRoles() (errs []error) {
	for i, r := range c.Roles {
		switch {
		case !slices.Contains(Roles(), r):
			errs = append(errs, fmt.Errorf("roles: %q is unknown, they can be %s", r, strings.Join(Roles(), ", ")))
		case slices.Contains(c.Roles[:i], r):
			errs = append(errs, fmt.Errorf("roles: %s is named twice", r))
		}
	}
	if c.NATS == "" && c.NATSListen == "" && !c.has(RolePartition) {
		errs = append(errs, fmt.Errorf("roles: without %s another node has to serve the partitions, connect both to one NATS by --nats", RolePartition))
	}
	return errs
}

// rolesOfAPIs are the roles by the names of APIs; who is calling is answered by all.
var rolesOfAPIs = map[string]string{"sqs": RoleQueue, "sns": RoleTopic, "events": RoleBus, "scheduler": RoleSchedule}

// elsewhere marks the APIs that this server leaves to others.
func (c *Config) elsewhere(apis []*protocol.API) []*protocol.API {
	for _, api := range apis {
		if role, ok := rolesOfAPIs[api.Name]; ok {
			api.Elsewhere = !c.has(role)
		}
	}
	return apis
}

// of gives run to the servers that have the role, and nothing to do to the others.
func (a *App) of(role string, o opened) opened {
	if !a.cfg.has(role) {
		o.run = nil
	}
	return o
}

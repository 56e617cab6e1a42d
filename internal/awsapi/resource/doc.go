// Package resource has what APIs say of their resources beside what these do: the
// table of a resource's attributes, as queues, topics and subscriptions have them,
// and its tags.
package resource

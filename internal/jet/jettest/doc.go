// Package jettest holds every jet.Cluster to the contracts of package jet. It is
// run against NATS and against the simulation, so that what the simulation proves
// holds for the other.
package jettest

// Package inlet is the way of services into queues: it finds the queue that an ARN
// names, asks the queue's policy whether the service may send to it, and posts messages
// to any number of queues. Topics are found and asked the same way.
package inlet

// Package partition owns journals: it places queues on them, runs their state
// machines and routes every request to the partition's owner.
package partition

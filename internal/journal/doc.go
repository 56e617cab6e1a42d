// Package journal is the fenced, group-committed log on which queues stand.
package journal

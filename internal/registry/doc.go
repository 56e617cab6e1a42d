// Package registry keeps the definitions of all resources.
package registry

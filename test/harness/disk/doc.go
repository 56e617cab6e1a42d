// Package disk gives tests small disks, to be filled. Linux only: mounting one
// needs root.
package disk

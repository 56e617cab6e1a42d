// Package sts is AWS STS, version 2011-06-15: who am I, which every SDK and tool
// asks first, and temporary credentials, so that workloads need no fixed keys.
// https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
//
// It checks what callers ask for and leaves the rest to access: roles and identity
// providers are those of the keys file, and a session token holds all that a node
// must know of it, so nothing is kept and any node takes what another has issued.
package sts

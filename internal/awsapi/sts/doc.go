// Package sts answers the one question of AWS STS that every SDK and tool asks
// first: who am I. Version 2011-06-15:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html.
//
// Temporary credentials are not issued; those operations are listed, and say so.
package sts

// Package botocore holds the tables of the APIs against the models that AWS publishes
// in botocore: what AWS has is in the table, or said not to be there yet with a
// reason. It has tests only. The version of botocore is pinned in
// ../python/requirements-new.txt: raise it on purpose, and see what is new.
package botocore

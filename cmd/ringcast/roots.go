package main

// The roots of public certificate authorities, for machines that have none: a
// container on an empty base fetches https:// and rtmps sources too. They count
// only where the system has no roots of its own.
import _ "golang.org/x/crypto/x509roots/fallback"

// Package e2e tests the program from outside: real processes, real encoders
// and players. It holds no code but what those tests share.
package e2e

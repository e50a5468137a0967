// Package ingest takes live streams in. It declares what a protocol must do
// ([Source] for those that are pulled, [Sink] for where samples go) and holds
// the registry of the streams that this node publishes: who may publish under
// which name, what happens when two do, and what state each is in. The
// protocols themselves are subpackages.
package ingest
